//! People who sign up at the user pool, confirm, forget their passwords, and sign in.

use std::time::Duration;

use aws_sdk_cognitoidentityprovider::types::{AuthFlowType, MessageActionType};
use testkit::CognitoLocal;
use tokio::time::sleep;

use crate::fixture::TRIES;
use crate::stack::{PASSWORD, POOL, Stack, email};

#[tokio::test]
async fn every_way_to_be_confirmed_leads_to_one_row() {
    let stack = Stack::deploy().await;
    let cognito = stack.cognito();

    stack.confirmed(&cognito, "ada").await;
    // Where the machine is slow, a row comes by the queue.
    stack.until_rows(1).await;
    assert_eq!(stack.addresses().await, ["ada@example.com"], "a code confirms the address");

    stack.unconfirmed(&cognito, "grace").await;
    assert_eq!(stack.addresses().await.len(), 1, "nobody has confirmed this address");
    let confirm = cognito.admin_confirm_sign_up().user_pool_id(POOL).username("grace");
    confirm.send().await.expect("a sign-up that an administrator confirms");
    // An administrator confirms the sign-up.
    stack.until_rows(2).await;

    let forget = cognito.forgot_password().client_id(CognitoLocal::CLIENT).username("ada");
    forget.send().await.expect("a code for a new password");
    let confirm = cognito.confirm_forgot_password().client_id(CognitoLocal::CLIENT).username("ada");
    let confirm = confirm.confirmation_code(stack.code()).password("An0ther-password");
    confirm.send().await.expect("a new password");
    assert_eq!(stack.addresses().await.len(), 2, "who has a new password keeps the row");

    // No trigger is called for users that an administrator creates.
    let create = cognito.admin_create_user().user_pool_id(POOL).username("mary");
    let create = create.user_attributes(email("mary")).message_action(MessageActionType::Suppress);
    create.send().await.expect("a user of an administrator");
    let set = cognito.admin_set_user_password().user_pool_id(POOL).username("mary");
    set.password(PASSWORD).permanent(true).send().await.expect("a password");
    assert_eq!(stack.addresses().await.len(), 2, "Cognito does not tell of such users");
    let sign_in = cognito.initiate_auth().client_id(CognitoLocal::CLIENT).auth_flow(AuthFlowType::UserPasswordAuth);
    let sign_in = sign_in.auth_parameters("USERNAME", "mary").auth_parameters("PASSWORD", PASSWORD);
    for _ in 0..TRIES {
        sign_in.clone().send().await.expect("tokens");
        if stack.addresses().await.len() == 3 {
            break;
        }
        // A slow machine has not had the time of a sign-in; after three of these the function asks for nothing for a while.
        sleep(Duration::from_secs(11)).await;
    }
    let expected = ["ada@example.com", "grace@example.com", "mary@example.com"];
    assert_eq!(stack.addresses().await, expected, "the sign-in makes the row");
}

#[tokio::test]
async fn sign_ups_at_once_have_a_row_each_and_reconcile_finds_the_rest() {
    let stack = Stack::deploy().await;
    stack.sign_up((0..200).map(|number| format!("user-{number}")), 16).await;
    stack.until_rows(200).await;

    let cognito = stack.cognito();
    for name in ["mary", "dorothy"] {
        let create = cognito.admin_create_user().user_pool_id(POOL).username(name);
        let create = create.user_attributes(email(name)).message_action(MessageActionType::Suppress);
        create.send().await.expect("a user of an administrator");
        let set = cognito.admin_set_user_password().user_pool_id(POOL).username(name);
        set.password(PASSWORD).permanent(true).send().await.expect("a password");
    }
    let report = stack.report(&["users", "reconcile", "--settle", "0s", "--dry-run"], 3);
    assert_eq!(report["missing"]["found"], 2, "{report}");
    stack.report(&["users", "reconcile", "--settle", "0s"], 0);
    stack.until_rows(202).await;
}
