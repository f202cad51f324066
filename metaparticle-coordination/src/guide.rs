//! Which primitive when, and what none of them can give you.
//!
//! # Which one
//! | you want | take | it costs |
//! |---|---|---|
//! | one of several replicas works all the time, another takes over when it is gone | [an election](crate::Coordinator::election) | a Lease each; the leader writes every third of the lease, candidates only watch |
//! | a step that no two may do at once, such as a migration at start | [a mutex](crate::lock::Mutex) | one POST and one DELETE each time; waiting costs nothing |
//! | many readers, or one writer | [a read-write lock](crate::lock::RwLock) | as a mutex |
//! | at most *n* at a time, such as a quota of a foreign service | [a semaphore](crate::lock::Semaphore) | as a mutex |
//! | that a write of who was deposed is refused | [a fence](crate::fence), from a term, a mutex or a writer | one claim for each object and hold |
//! | work divided by key | none of these: shards | |
//!
//! **An election or a mutex?** Both exclude. An election is for work without end: it contends again for ever, hands over in
//! good order, knows priorities, and a candidate of client-go on the same Lease takes part. A mutex is for work with an end,
//! first come, first served; all locks of a process share one session, so that a thousand cost what one costs.
//!
//! **How long a lease?** The longer, the longer the outage of the API server that costs nothing: a term of 15 s rides out
//! 4 to 6 s, one of 30 s about 13 s. The shorter, the sooner a holder that crashed is followed; one that leaves in good
//! order is followed at once with any. [`Election::budget`](crate::election::Election::budget) tells the numbers.
//!
//! # What they guarantee
//! At any moment at most one process holds a term, a mutex or a writer's lock *by its own check*, however long processes
//! are paused, messages delayed or lost, and whatever the wall clocks show: what is held becomes invalid, by the holder's
//! own clock, before another may have it. Invalid is final. Tokens rise from hold to hold. Tickets of a lock are served
//! in the order in which the API server took them.
//!
//! # What none can give you
//! - **That only the holder's writes arrive.** `check()` is about now. The process may stop between the check and the
//!   write for as long as it likes: collected garbage, a suspended laptop, a packet in a queue. No lock service of the
//!   world closes that gap on the sender's side, neither etcd nor ZooKeeper, neither Redis with one node nor with five.
//!   What receives the write must compare tokens: objects of Kubernetes do with a [fence](crate::fence), a database with
//!   a column, everything else only if it was built to.
//! - **That a foreign effect happens once.** A mail that was sent stays sent when its sender is deposed a moment later, and
//!   the successor does not know. Make the effect repeatable (a key that the receiver knows), or live with the second.
//! - **That the holder works.** A process that renews and does nothing holds on. Give what can hang a time limit, and the
//!   pod a liveness probe; [`Health`](crate::Health) says what keeps coordination from working.
//! - **Progress without the API server.** Nobody new can hold what cannot be written. Who holds goes on until its deadline.
//! - **Exclusion across namespaces or clusters.** A name is a name within one namespace of one cluster; whoever may write
//!   Leases there is trusted.
//! - **Clocks that stop.** A virtual machine that is paused together with its clocks, or restored from a snapshot, believes
//!   its old deadline. Fenced writes of it are refused all the same.
//! - **An order between locks.** Two that take *a* and *b* in different order wait for each other for ever, here as
//!   everywhere: take them in one order, or with [`lock_within`](crate::lock::Mutex::lock_within).
//!
//! # The argument for fencing, step by step
//! 1. *A* holds with token 33, checks, and is stopped just before it writes.
//! 2. Its lease ends. *B* holds with token 34: higher, because tokens rise.
//! 3. *B* **claims** the object: it writes 34 onto it by compare-and-swap. Only then does it act.
//! 4. *A* wakes. Its write states 33, or the version that bore 33. Either is refused: the policy compares 33 with 34 inside
//!    the server's own compare-and-swap, and the version is another since the claim. *A* learns that it is deposed.
//!
//! If *A* wakes before step 3, its write is done, and *B* sees it when it claims: that is the order in which it would have
//! come without the pause. Nothing of *A*'s comes after anything of *B*'s. That is all that exclusion can mean, and it
//! holds whatever the clocks did.
//!
//! Without step 3 there is a gap: the object still bears 33, so that *A*'s late write would pass between two writes of
//! *B*'s. So claim first, also what you only mean to delete.
