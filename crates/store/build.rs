//! A new migration is a new build: the compiler sees only those it embedded before.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
