//! What Hello says of the machine (c1-protocol.md §6.2). Every field is non-empty and at most 256 characters: C1
//! refuses a registration otherwise.

use std::path::Path;

use crate::proto::c1::connectorapi::baton::v1::baton_service_hello_request::OsInfo;

const MAX_CHARS: usize = 256;

/// Reads the machine's facts below `root` (`/` but in tests). What cannot be read gets its fallback.
pub(super) fn read(root: &Path) -> OsInfo {
    let file = |path: &str| std::fs::read_to_string(root.join(path)).unwrap_or_default();
    let release = file("etc/os-release");
    let platform = release_value(&release, "ID");
    OsInfo {
        hostname: file("proc/sys/kernel/hostname").trim().to_owned(),
        os: std::env::consts::OS.to_owned(),
        platform_family: family(&platform, &release_value(&release, "ID_LIKE")),
        platform,
        platform_version: release_value(&release, "VERSION_ID"),
        kernel_version: file("proc/sys/kernel/osrelease").trim().to_owned(),
        kernel_arch: std::env::consts::ARCH.to_owned(),
        virtualization_system: virtualization(root, &file("proc/self/cgroup"), &file("sys/class/dmi/id/product_name")),
    }
    .with_fallbacks()
}

impl OsInfo {
    /// The contract's fallbacks, in its order (8, 1, 3, 5, 6, 4, 7), and the limit on length.
    fn with_fallbacks(mut self) -> Self {
        fill(&mut self.virtualization_system, "none");
        fill(&mut self.hostname, "unknown");
        fill(&mut self.platform, &self.os);
        fill(&mut self.platform_family, &self.platform);
        fill(&mut self.kernel_version, "unknown");
        fill(&mut self.platform_version, &self.kernel_version);
        fill(&mut self.kernel_arch, std::env::consts::ARCH);
        self
    }
}

fn fill(field: &mut String, fallback: &str) {
    if field.is_empty() {
        fallback.clone_into(field);
    }
    *field = field.chars().take(MAX_CHARS).collect();
}

fn release_value(release: &str, key: &str) -> String {
    let line = release
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
        .unwrap_or_default();
    line.trim().trim_matches(['"', '\'']).to_owned()
}

fn family(platform: &str, like: &str) -> String {
    let known = ["debian", "rhel", "fedora", "suse", "arch", "alpine", "gentoo"];
    let names = like.split_whitespace().chain([platform]);
    let name = names
        .clone()
        .find(|name| known.contains(name))
        .or_else(|| names.clone().next());
    name.unwrap_or_default().to_owned()
}

fn virtualization(root: &Path, cgroup: &str, product: &str) -> String {
    if root.join(".dockerenv").exists() || cgroup.contains("docker") {
        return "docker".to_owned();
    }
    for (mark, name) in [
        ("kubepods", "kubernetes"),
        ("containerd", "containerd"),
        ("lxc", "lxc"),
        ("libpod", "podman"),
    ] {
        if cgroup.contains(mark) {
            return name.to_owned();
        }
    }
    let product = product.to_lowercase();
    for (mark, name) in [
        ("kvm", "kvm"),
        ("vmware", "vmware"),
        ("virtualbox", "vbox"),
        ("virtual machine", "hyperv"),
    ] {
        if product.contains(mark) {
            return name.to_owned();
        }
    }
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(info: &OsInfo) -> [&str; 8] {
        [
            &info.hostname,
            &info.os,
            &info.platform,
            &info.platform_version,
            &info.platform_family,
            &info.kernel_version,
            &info.kernel_arch,
            &info.virtualization_system,
        ]
    }

    #[test]
    fn every_field_has_a_value_even_when_nothing_can_be_read() {
        let info = read(Path::new("/nowhere"));
        assert_eq!(
            fields(&info),
            [
                "unknown",
                "linux",
                "linux",
                "unknown",
                "linux",
                "unknown",
                std::env::consts::ARCH,
                "none"
            ]
        );
        assert!(fields(&read(Path::new("/"))).iter().all(|field| !field.is_empty()));
    }

    #[test]
    fn reads_a_container_of_a_debian_derivate() {
        let root = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put(
            "etc/os-release",
            "ID=ubuntu\nID_LIKE=\"debian\"\nVERSION_ID=\"22.04\"\n",
        );
        put("proc/sys/kernel/hostname", "pod-1\n");
        put("proc/sys/kernel/osrelease", "6.1.0-x\n");
        put("proc/self/cgroup", "0::/kubepods.slice/x\n");
        let arch = std::env::consts::ARCH;
        let wanted = [
            "pod-1",
            "linux",
            "ubuntu",
            "22.04",
            "debian",
            "6.1.0-x",
            arch,
            "kubernetes",
        ];
        assert_eq!(fields(&read(root.path())), wanted);
        put("proc/sys/kernel/hostname", &"h".repeat(1000));
        assert_eq!(read(root.path()).hostname.len(), MAX_CHARS);
    }
}
