//! Names of images, as far as the default of `imagePullPolicy` depends on them.

/// The longest name, with its registry.
const MOST: usize = 255;

/// Whether the image's tag is `latest`, said or meant. A digest alone is not, and neither is what names no image.
pub(super) fn is_latest(image: &str) -> bool {
    let (name, digest) = match image.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (image, None),
    };
    let start = name.rfind('/').map_or(0, |it| it + 1);
    let (name, tag) = match name[start..].find(':') {
        Some(colon) => (&name[..start + colon], Some(&name[start + colon + 1..])),
        None => (name, None),
    };
    let readable = is_name(name) && tag.is_none_or(is_tag) && digest.is_none_or(is_digest);
    readable && tag.map_or(digest.is_none(), |tag| tag == "latest")
}

fn is_name(name: &str) -> bool {
    let is_domain = |it: &str| {
        it.contains(['.', ':']) || it == "localhost" || it.contains(|c: char| c.is_uppercase())
    };
    let (domain, path) = match name.split_once('/') {
        Some((domain, path)) if is_domain(domain) => (domain, path),
        _ => ("docker.io", name),
    };
    let shown = if domain == "docker.io" && !path.contains('/') {
        domain.len() + "/library/".len() + path.len()
    } else {
        domain.len() + 1 + path.len()
    };
    shown <= MOST && is_host(domain) && path.split('/').all(is_component)
}

fn is_host(domain: &str) -> bool {
    let (host, port) = match domain.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (domain, None),
    };
    let is_label = |it: &str| {
        it.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && it.starts_with(|c: char| c.is_ascii_alphanumeric())
            && it.ends_with(|c: char| c.is_ascii_alphanumeric())
    };
    let address = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    let is_address = |it: &str| it.chars().all(|c| c.is_ascii_hexdigit() || c == ':');
    address.map_or_else(|| host.split('.').all(is_label), is_address)
        && port.is_none_or(|it| !it.is_empty() && it.bytes().all(|c| c.is_ascii_digit()))
}

/// Words of small letters and digits, with one dot, one or two underscores or any dashes between them.
fn is_component(text: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_separator = |it: &str| matches!(it, "." | "_" | "__") || it.chars().all(|c| c == '-');
    let separators = text.split(is_word).filter(|it| !it.is_empty());
    text.starts_with(is_word) && text.ends_with(is_word) && separators.into_iter().all(is_separator)
}

fn is_tag(tag: &str) -> bool {
    let may = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    tag.chars().all(may) && !tag.starts_with(['.', '-']) && (1..=128).contains(&tag.len())
}

fn is_digest(digest: &str) -> bool {
    let Some((algorithm, value)) = digest.split_once(':') else {
        return false;
    };
    let is_part = |it: &str| {
        it.starts_with(|c: char| c.is_ascii_alphabetic())
            && it.bytes().all(|c| c.is_ascii_alphanumeric())
    };
    algorithm.split(['-', '_', '+', '.']).all(is_part)
        && value.len() >= 32
        && value.bytes().all(|c| c.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::is_latest;

    #[test]
    fn an_image_without_a_tag_is_the_latest_unless_it_has_a_digest() {
        let digest = format!("sha256:{}", "0".repeat(64));
        assert!(is_latest("web"));
        assert!(is_latest("web:latest"));
        assert!(is_latest("localhost:5000/web"));
        assert!(is_latest("[::1]:5000/a__b/c--d.e"));
        assert!(!is_latest("localhost:5000/web:v1"));
        assert!(!is_latest(&format!("web@{digest}")));
        assert!(is_latest(&format!("web:latest@{digest}")));
    }

    #[test]
    fn what_names_no_image_is_not_the_latest() {
        for image in [
            "-1",
            "No such!",
            "a..b",
            "a/",
            "a:",
            "web:latest@sha256:00",
            "a.b:x/web",
            &"x".repeat(300),
        ] {
            assert!(!is_latest(image), "{image}");
        }
    }
}
