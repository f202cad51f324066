//! Lookups allocate nothing.
#![expect(
    unsafe_code,
    reason = "an allocator that counts is one, and it only counts and calls the system's"
)]

use std::{
    alloc::{GlobalAlloc, Layout as Memory, System},
    cell::Cell,
    hint::black_box,
};

use metaparticle_shard::{Access, Assigner, Layout, Members, Shared};

/// Counts what this thread allocates.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, memory: Memory) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(memory) }
    }

    unsafe fn dealloc(&self, place: *mut u8, memory: Memory) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(place, memory) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn allocations(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

#[test]
fn lookups_allocate_nothing() {
    assert_eq!(
        allocations(|| drop(black_box(Box::new(1)))),
        1,
        "the counter counts"
    );
    let members = Members::named((0..10_000).map(|number| format!("node-{number}")));
    let members = members.expect("valid");
    let layout = Layout::try_new(1 << 14, 3, Assigner::MinMove, Access::Shared).expect("valid");
    let shared = Shared::new(layout.build(&members).expect("valid"));
    let map = shared.load();
    let mut reader = shared.reader();
    let keys: Vec<String> = (0..1_000)
        .map(|number| format!("/users/{number}/cart"))
        .collect();
    let mut lookups = 0;
    let found = allocations(|| {
        for key in &keys {
            black_box((map.slot(key), map.owner(key).name(), map.owner_id(key)));
            black_box(
                map.replicas(key)
                    .map(|node| node.name().len())
                    .sum::<usize>(),
            );
            black_box(map.owner_of(map.slot(key)));
            black_box(reader.map().owner(key).name());
            black_box(shared.load());
            lookups += 1;
        }
    });
    assert_eq!((lookups, found), (1_000, 0));
}
