// What each file of models over the stand-in for the memory is made of: the sources, and their stand-ins.

include!("../../../verify/support/sources.rs");
#[path = "hash.rs"]
mod hash;
#[path = "id.rs"]
mod id;
#[path = "../../../verify/support/memory.rs"]
mod memory;
#[path = "payload.rs"]
mod payload;
