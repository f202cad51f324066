//! Which container this process runs in, by proof (P1): an id counts only if the kernel names it for this very process.
//! What the API says about the pod is not enough: a restarted container has another id under the same pod.

/// Where the kernel tells a process about its container.
#[cfg(target_os = "linux")]
const FILES: [&str; 2] = ["/proc/self/cgroup", "/proc/self/mountinfo"];

/// Whether `status`, a `containerID` as the kubelet reports it (`containerd://<64 hexadecimal digits>`), is that of the
/// container of this process. `false` also if there is no proof: under containerd with cgroup v2 and a cgroup namespace
/// of its own, the container's id is nowhere to be seen.
#[cfg(target_os = "linux")]
pub(crate) fn is_own(status: &str) -> bool {
    FILES
        .iter()
        .any(|file| std::fs::read_to_string(file).is_ok_and(|text| names_container(&text, status)))
}

/// No other system tells.
#[cfg(not(target_os = "linux"))]
pub(crate) fn is_own(_: &str) -> bool {
    false
}

/// Whether a text of the kernel names the container of that `containerID`, as a whole word.
#[cfg(any(test, target_os = "linux"))]
fn names_container(text: &str, status: &str) -> bool {
    let Some((_, id)) = status.split_once("://") else {
        return false;
    };
    let is_id = |id: &str| {
        id.len() == 64
            && id
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    // `/docker-<id>.scope`, `cri-containerd-<id>.scope`, `/kubepods/…/<id>`, `…/overlay-containers/<id>/userdata/…`.
    is_id(id)
        && text
            .split(|character: char| !character.is_ascii_alphanumeric())
            .any(|word| word == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3f4e0c5d1b2a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0";
    const SANDBOX: &str = "aa4e0c5d1b2a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0";

    fn status() -> String {
        format!("containerd://{ID}")
    }

    #[test]
    fn container_is_known_by_what_the_kernel_says() {
        for text in [
            format!("0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-{ID}.scope\n"),
            format!(
                "12:memory:/kubepods/burstable/pod0b1c/{ID}\n11:cpu:/kubepods/burstable/pod0b1c/{ID}\n"
            ),
            format!("0::/system.slice/docker-{ID}.scope\n"),
            format!("0::/kubepods.slice/crio-{ID}.scope/container\n"),
            format!(
                "721 710 0:25 /containers/storage/overlay-containers/{ID}/userdata/hostname /etc/hostname rw - tmpfs tmpfs rw\n"
            ),
        ] {
            assert!(names_container(&text, &status()), "{text}");
        }
    }

    #[test]
    fn sandbox_other_containers_and_parts_of_an_id_prove_nothing() {
        let (half, longer) = (&ID[..32], format!("{ID}0"));
        for text in [
            "0::/\n".to_owned(),
            String::new(),
            format!(
                "643 629 8:1 /containerd/io.containerd.grpc.v1.cri/sandboxes/{SANDBOX}/hostname /etc/hostname rw\n"
            ),
            format!("0::/kubepods/pod0b1c/{half}\n"),
            format!("0::/kubepods/pod0b1c/{longer}\n"),
        ] {
            assert!(!names_container(&text, &status()), "{text}");
        }
        let text = format!("0::/kubepods/{ID}/{half}\n");
        for status in [
            String::new(),
            ID.to_owned(),
            format!("containerd://{half}"),
            "containerd://".to_owned(),
            "containerd://kubepods".to_owned(),
        ] {
            assert!(!names_container(&text, &status), "{status}");
        }
    }
}
