//! What is deployed: the template, with the function as `make build` makes it, at stand-ins for AWS that run it as Lambda
//! does. People sign up at a user pool; the rows are in a real PostgreSQL behind TLS.

mod arm64;
mod fixture;
mod function_tls;
mod runtime_emulator;
mod stack;
/// What needs a user pool that calls the function: npm installs it.
mod with_cognito_local {
    mod getting_started;
    mod in_vpc;
    mod sign_up;
    mod spill;
}
