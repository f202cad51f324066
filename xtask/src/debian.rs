//! Packages of Debian. Upstream versions may be pinned; Debian's own fixes on top
//! may differ, because its archive keeps the last one only. Sums are checked by
//! apt.

use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use crate::clock::uptime;
use crate::command;
use crate::terminal;

/// A package.
#[derive(Debug)]
pub(crate) struct Package {
    name: &'static str,
    version: Option<&'static str>,
}

/// A package with the upstream version that it was tried with.
pub(crate) const fn pinned(name: &'static str, version: &'static str) -> Package {
    Package {
        name,
        version: Some(version),
    }
}

/// A package of which any version will do.
pub(crate) const fn any(name: &'static str) -> Package {
    Package {
        name,
        version: None,
    }
}

/// Why packages could not be installed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Error {
    /// apt or dpkg failed.
    #[error("cannot install packages of Debian")]
    Apt(#[from] command::Error),
    /// apt said that all is well, and it is not.
    #[error("apt-get did not install {}", .0.join(" "))]
    NotInstalled(Vec<String>),
}

/// Installs what is missing.
///
/// # Errors
/// When apt fails or something is missing even then.
pub(crate) fn install(packages: &[Package]) -> Result<(), Error> {
    let wanted = missing(packages);
    if wanted.is_empty() {
        return Ok(());
    }
    terminal::step(&format!("installing from Debian: {}", wanted.join(" ")));
    apt(&["update"])?;
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(wanted.iter().map(String::as_str));
    if apt(&arguments).is_err() {
        // An earlier installation may have been killed half-way.
        command::run("dpkg", ["--configure", "-a"])?;
        apt(&arguments)?;
    }
    let left = missing(packages);
    if left.is_empty() {
        Ok(())
    } else {
        Err(Error::NotInstalled(left))
    }
}

/// Why the missing packages cannot be installed, if so.
pub(crate) fn obstacle(packages: &[Package]) -> Option<String> {
    let wanted = missing(packages);
    if wanted.is_empty() || command::run("apt-get", ["--version"]).is_ok() {
        return None;
    }
    Some(format!(
        "apt-get (Debian 12), to install {}",
        wanted.join(" ")
    ))
}

/// What apt is to be asked for, `name` or `name=version*`.
fn missing(packages: &[Package]) -> Vec<String> {
    let installed = installed(packages);
    let is_there = |package: &Package| {
        installed.lines().filter_map(parse).any(|(name, version)| {
            name == package.name && package.version.is_none_or(|pin| version.starts_with(pin))
        })
    };
    packages
        .iter()
        .filter(|package| !is_there(package))
        .map(request)
        .collect()
}

fn request(package: &Package) -> String {
    match package.version {
        Some(version) => format!("{}={version}*", package.name),
        None => package.name.to_owned(),
    }
}

fn installed(packages: &[Package]) -> String {
    let names = packages.iter().map(|package| package.name);
    let format = [
        "--show",
        "--showformat",
        "${db:Status-Status} ${Package} ${Version}\n",
    ];
    // It ends with a failure when one of them is unknown, and lists the others.
    let output = Command::new("dpkg-query").args(format).args(names).output();
    output
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default()
}

fn parse(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix("installed ")?.split_once(' ')
}

/// Runs apt-get where no service manager is seen, so that the services in
/// these packages are not started. Waits while another apt-get is at work, that
/// of a killed run for example.
fn apt(arguments: &[&str]) -> Result<(), Error> {
    let script = "test ! -d /run/systemd/system || mount -t tmpfs none /run/systemd; \
                  exec apt-get --quiet \"$@\"";
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c", script, "apt-get"])
        .args(arguments);
    command.env("DEBIAN_FRONTEND", "noninteractive");
    let limit = uptime() + Duration::from_secs(300);
    loop {
        match command::output(&mut command) {
            Err(command::Error::Failed { output, .. })
                if output.contains("Could not get lock") && uptime() < limit =>
            {
                sleep(Duration::from_secs(1));
            }
            result => return Ok(result.map(drop)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_installed_packages_count() {
        assert_eq!(
            parse("installed runc 1.1.5+ds1-1"),
            Some(("runc", "1.1.5+ds1-1"))
        );
        assert_eq!(parse("config-files runc 1.1.5+ds1-1"), None);
        assert_eq!(parse("not-installed runc "), None);
    }

    #[test]
    fn upstream_version_is_pinned_and_debians_revision_is_not() {
        assert_eq!(request(&pinned("runc", "1.1.5")), "runc=1.1.5*");
        assert_eq!(request(&any("gcc")), "gcc");
    }
}
