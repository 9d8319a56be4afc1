//! Who holds an epoch, and whether that process still lives.

use std::fs;

use crate::protocol::entry::Holder;
use crate::protocol::id::Id;

/// This process, as the holder of an epoch.
#[must_use]
pub fn current(incarnation: Id) -> Holder {
    let pid = std::process::id();
    Holder { incarnation, host: host(), boot_id: boot_id(), pid, started: started(pid).unwrap_or(0), pod: None }
}

/// Whether that process certainly lives: on this host, since this boot, under that id, begun at that time.
///
/// A process in another container can't be seen, and does not count as alive.
#[must_use]
pub fn is_alive(holder: &Holder) -> bool {
    holder.host == host()
        && holder.boot_id == boot_id()
        && holder.started > 0
        && started(holder.pid) == Some(holder.started)
}

fn host() -> String {
    nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|text| text.trim().to_owned()).unwrap_or_default()
}

/// Field 22 of `/proc/<pid>/stat`: the process's start, in clock ticks since boot. A zombie is not alive.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field, the name, may hold anything, parentheses and blanks too.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_an_earlier_one_of_its_id_is_not() {
        let holder = current(Id::from_bytes([1; 16]));
        assert!(is_alive(&holder), "{holder:?}");
        assert!(!is_alive(&Holder { started: holder.started - 1, ..holder.clone() }));
        assert!(!is_alive(&Holder { boot_id: "another".to_owned(), ..holder.clone() }));
        assert!(!is_alive(&Holder { host: "another".to_owned(), ..holder }));
    }
}
