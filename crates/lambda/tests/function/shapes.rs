//! The tables of others that `docs/own-table.md` shows, with the contract on each: what is documented is what is tested.

/// A table of an application's own, with the contract on it.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    /// Its file in `docs/own-table`.
    pub(crate) file: &'static str,
    /// The statements in that file.
    pub(crate) sql: &'static str,
    /// All tables that the contract writes, the one of the users first.
    pub(crate) tables: &'static [&'static str],
    /// The column of the handle, if there is one.
    pub(crate) handle: Option<&'static str>,
    /// Whether an address belongs to one user.
    pub(crate) has_unique_addresses: bool,
}

/// What every one begins and ends with.
const OWNER: &str = include_str!("../../../../docs/own-table/owner.sql");
const HAND_OVER: &str = include_str!("../../../../docs/own-table/hand-over.sql");

macro_rules! sql {
    ($file:literal) => {
        ($file, include_str!(concat!("../../../../docs/own-table/", $file)))
    };
}

impl Shape {
    /// All statements, in their order.
    pub(crate) fn statements(&self) -> String {
        [OWNER, self.sql, HAND_OVER].join("\n")
    }

    /// The lines of the contract: neither the tables, which the application has, nor comments.
    pub(crate) fn contract(&self) -> Vec<&'static str> {
        let (_, contract) =
            self.sql.split_once("\n-- The contract\n").expect("the tables end where the contract begins");
        contract.lines().filter(|line| !line.is_empty() && !line.starts_with("--")).collect()
    }

    fn new((file, sql): (&'static str, &'static str), tables: &'static [&'static str]) -> Self {
        Self { file, sql, tables, handle: None, has_unique_addresses: false }
    }
}

pub(crate) fn members() -> Shape {
    Shape { handle: Some("handle"), ..Shape::new(sql!("members.sql"), &["public.members"]) }
}

pub(crate) fn devise() -> Shape {
    Shape { has_unique_addresses: true, ..Shape::new(sql!("devise.sql"), &["public.users"]) }
}

pub(crate) fn django() -> Shape {
    Shape { handle: Some("username"), ..Shape::new(sql!("django.sql"), &["public.auth_user"]) }
}

pub(crate) fn profiles() -> Shape {
    Shape { handle: Some("username"), ..Shape::new(sql!("profiles.sql"), &["public.profiles"]) }
}

pub(crate) fn prisma() -> Shape {
    Shape { has_unique_addresses: true, ..Shape::new(sql!("prisma.sql"), &["public.\"User\""]) }
}

pub(crate) fn memberships() -> Shape {
    Shape { handle: Some("handle"), ..Shape::new(sql!("memberships.sql"), &["public.users", "public.memberships"]) }
}
