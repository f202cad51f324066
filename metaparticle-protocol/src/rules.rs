//! The rules of the protocol in one page, by the numbers that code, tests and log lines use.
//!
//! **Assumption.** A process's clock never stops while its machine runs, and runs between 0.9 and 1.1 of real time. A
//! virtual machine that is paused or restored from a snapshot together with its clocks breaks it (T3).
//!
//! - **T1** Validity: 80 % of the lease, from the *send* time of the last acknowledged write. Final once passed.
//! - **T2** Another's record is expired when its spec was seen unchanged for its whole duration, on our clock; a gap in
//!   what we see starts the count again.
//! - **W1** Every write carries `resourceVersion` and uid; only POST creates.
//! - **W2** Creating an election's Lease is not acquiring it.
//! - **W3** A store that went back ends all terms. It is noticed by a reply or a list below what was seen before it was
//!   asked for, and by an event of a watch whose version is not above the one before it.
//! - **W4** What is older than our last acknowledged write to the same object is ignored.
//! - **W5** After a 409 the holder reads again: still its own, it goes on, its deadline unchanged; an acquisition starts
//!   from observation.
//! - **E1** The leader renews every third; each acquisition is a new term.
//! - **E2** Tokens of an election rise in the order in which the API server accepts acquisitions.
//! - **E3** A record with our own identity but no term of ours grants nothing, and is overwritten.
//! - **E4** Who stops invalidates, drains, and only then offers to a successor, who leads after its own write.
//! - **E5** An empty holder is free at once only if our marks say so.
//! - **E6** Another holder, no Lease or another uid: lost at once.
//! - **E7** Marks count only if they agree with the spec.
//! - **S1** A session is one Lease a process, created with its holder, its name never used again.
//! - **S2** A session dies by one DELETE with uid and version, by whoever saw it unchanged for its duration.
//! - **S3** Session and ticket watch live as long as each other; leftovers are reaped.
//! - **S4** A revoked session is waited for its whole duration.
//! - **L1** A ticket is immutable, owned by its session, its name never used again.
//! - **L2** The order of tickets is fixed once, at one's own ADDED.
//! - **L3** Who holds follows from the predecessors that live, and from a valid session.
//! - **L4** Unlocking invalidates, then deletes until it is seen.
//! - **L5** One's ticket deleted by another is loss.
//! - **L6** A ticket's token is the version of its creation; only a mutex and a writer have one.
//! - **L7** A process watches tickets, its elections, and the sessions that stand before it.
//! - **M1** One object, the map, says of each slot whose it is; only the elected assigner writes it, by its term's token, at
//!   most twice a second in the long run; moves begin in waves of a sixteenth.
//! - **M2** Slots are placed by the name of a pod, and owned by the uid of a session.
//! - **M3** A generation is the version of the map that the write overwrote; that of a commit is the slot's token.
//! - **M4** Prepare, drain, acknowledge (slot, generation, session), commit; the target serves on commit alone.
//! - **M5** A slot is served while the session is valid and a read sent less than 80 % of the session's duration ago has
//!   shown the map that is held, in the state that is held or an earlier one.
//! - **M6** Who does not drain in time loses the slot; who does not acknowledge in time loses the session.
//! - **M7** What nobody owns is given after the longest of all sessions has passed.
//! - **M8** A request between gates carries slot, token and session; a gate serves, holds, asks, or says that it moved.
//! - **F1** An update whose token is lower than the stored object's is refused by the API server.
//! - **F3** A new holder claims what it guards before it acts.
//! - **P1** The kubelet's report that the holder's container has ended replaces the waiting, never the write.
