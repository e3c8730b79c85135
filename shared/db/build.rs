//! Tells cargo that the tests' schema is made of files.

fn main() {
    println!("cargo::rerun-if-changed=tests/suite/migrations");
}
