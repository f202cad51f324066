//! [`Rollback`]: whether the store went back to an earlier state (rule W3).

use crate::lease::Version;

/// The highest version seen in consistent reads, replies to writes, and one watch. One for each machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rollback {
    seen: Version,
    watched: Version,
    /// What was seen when the watch was lost: the list with which it begins anew is asked for after that.
    blind: Version,
}

impl Rollback {
    /// What a request that is sent now is measured against when its reply comes.
    #[must_use]
    pub const fn mark(&self) -> Version {
        self.seen
    }

    /// A reply of a consistent read or a write that was sent when [`mark`](Self::mark) was `sent`. `true`: the store went
    /// back. Exact lists do not count.
    #[must_use]
    pub fn reply(&mut self, sent: Version, version: Version) -> bool {
        self.seen = self.seen.max(version);
        version < sent
    }

    /// The watch shows nothing any more. The list with which it begins anew must not be asked for before this.
    pub fn watch_is_lost(&mut self) {
        self.blind = self.seen.max(self.watched);
    }

    /// The watch begins, with a consistent list of `version`. `true`: the store went back, as the list, which is a read
    /// like any other, shows less than was seen when the watch was lost.
    #[must_use]
    pub fn watch_begins(&mut self, version: Version) -> bool {
        self.watched = version;
        // It is the store's version, which says nothing of the versions that objects have.
        version < self.blind
    }

    /// An event of the current watch. `true`: the store went back, as each event is of a later version than the one before
    /// it, and than the list. An equal one is another state of that number.
    #[must_use]
    pub fn event(&mut self, version: Version) -> bool {
        let back = version <= self.watched;
        self.watched = self.watched.max(version);
        self.seen = self.seen.max(version);
        back
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reply_below_what_was_seen_before_it_was_sent_is_a_rollback() {
        let mut rollback = Rollback::default();
        assert!(!rollback.reply(rollback.mark(), Version(1267)));
        let sent = rollback.mark();
        assert!(rollback.reply(sent, Version(968)));
    }

    #[test]
    fn reply_that_was_overtaken_by_another_is_none() {
        let mut rollback = Rollback::default();
        let sent = rollback.mark();
        assert!(!rollback.reply(sent, Version(20)));
        assert!(!rollback.reply(sent, Version(10)));
    }

    #[test]
    fn events_count_within_one_watch_only() {
        let mut rollback = Rollback::default();
        assert!(!rollback.watch_begins(Version(10)));
        assert!(!rollback.event(Version(30)));
        assert!(!rollback.watch_begins(Version(20)));
        assert!(!rollback.event(Version(25)));
        assert!(rollback.event(Version(25)), "each version is of one event");
        assert!(rollback.event(Version(24)));
    }

    #[test]
    fn list_after_a_lost_watch_is_a_reply_like_any_other() {
        let mut rollback = Rollback::default();
        assert!(!rollback.watch_begins(Version(10)));
        assert!(!rollback.event(Version(30)));
        rollback.watch_is_lost();
        // Of a write that was answered before the list, which was asked for first.
        assert!(!rollback.reply(rollback.mark(), Version(40)));
        assert!(!rollback.watch_begins(Version(35)));
        rollback.watch_is_lost();
        assert!(rollback.watch_begins(Version(39)));
    }
}
