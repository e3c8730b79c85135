//! Who gets in, asked of every method that the descriptors have: with every token that is wrong, and in every role.

mod roles;
mod tokens;
