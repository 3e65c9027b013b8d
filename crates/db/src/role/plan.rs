//! The changes of a role, planned from what the server knows of it.

use postgres_protocol::escape::escape_identifier;

use super::state::{PublicPrivilege, State};
use super::{Authentication, Role};
use crate::Error;

/// The role that RDS allows IAM tokens for; its members cannot log in with a password.
const RDS_IAM: &str = "rds_iam";

/// The contract's function.
const ENSURE: &str = "cognito.ensure_user";

/// What the server does with a statement that the function has given up, whose limit is 4.5 s, even where no cancellation
/// reaches it: it ends one that waits for a lock, or for anything, and one whose client is gone.
/// <https://www.postgresql.org/docs/current/runtime-config-client.html>
const SETTINGS: [(&str, &str); 3] =
    [("statement_timeout", "5s"), ("lock_timeout", "4s"), ("idle_in_transaction_session_timeout", "10s")];

/// The same for a client that is gone, from this version of PostgreSQL on.
const CONNECTION_CHECK: (i32, (&str, &str)) = (140_000, ("client_connection_check_interval", "1s"));

/// The connections of a new role at most, without a limit of the operator's.
const CONNECTION_LIMIT: i32 = 50;

/// The most roles that a change names.
const MOST_NAMES: usize = 5;

/// The changes that a role needs. Nothing is changed before [`apply`](super::apply).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub(super) role: Role,
    /// Whether the role does not exist yet.
    pub is_new: bool,
    /// The other databases in which the role has privileges or sessions. A new password would lock those clients out.
    pub used_in: Vec<String>,
    /// Whether programs other than the function may use the role.
    has_other_clients: bool,
    /// The changes, in the order of their statements.
    pub changes: Vec<Change>,
}

/// One change of a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The change in words, such as `grant EXECUTE on cognito.ensure_user`.
    pub description: String,
    /// Whether the role, or another one, loses something by it. A program may rely on that.
    pub is_loss: bool,
    pub(super) statement: String,
}

impl Plan {
    /// The descriptions also name who else is affected, which decides nothing.
    pub(super) fn has_the_statements_of(&self, other: &Self) -> bool {
        self.changes.iter().map(|change| &change.statement).eq(other.changes.iter().map(|change| &change.statement))
    }

    pub(super) fn outdated(&self) -> Error {
        Error::RoleChanged { role: self.role.name.clone() }
    }

    pub(super) fn of(state: &State, role: &Role) -> Self {
        let used_in = state.used_in.clone();
        let has_other_clients = !used_in.is_empty() || (state.exists && !state.is_granted);
        let mut plan =
            Self { role: role.clone(), is_new: !state.exists, used_in, has_other_clients, changes: Vec::new() };
        plan.plan_role(state);
        plan.plan_settings(state);
        plan.plan_revocations(state);
        plan.plan_revocations_from_public(state);
        plan.plan_grants(state);
        plan
    }

    /// The role itself and how it logs in.
    fn plan_role(&mut self, state: &State) {
        let name = escape_identifier(&self.role.name);
        // A role that exists keeps its limit; with 0 it could not log in.
        let kept = Some(state.connection_limit).filter(|limit| !self.is_new && *limit != 0);
        let limit = self.role.connection_limit.or(kept).unwrap_or(CONNECTION_LIMIT);
        if self.is_new {
            let description = format!("create the role {} with at most {limit} connections", self.role.name);
            self.grant(description, format!("create role {name} login connection limit {limit}"));
        } else if !state.can_log_in {
            // An operator may have closed it on purpose.
            self.revoke("allow its login".to_owned(), format!("alter role {name} login"));
        }
        let before = state.connection_limit;
        if !self.is_new && before != limit {
            let shown = if before < 0 { "no limit".to_owned() } else { before.to_string() };
            // An operator may have set 0 on purpose; a lower limit, or one where there was none, is a loss.
            let is_loss = before <= 0 || limit < before;
            let description = format!("allow it at most {limit} connections (before: {shown})");
            self.alter(is_loss, description, format!("alter role {name} connection limit {limit}"));
        }
        if state.expires {
            let what = if state.has_expired { "password, which has expired" } else { "password" };
            let description = format!("remove the expiry of its {what}");
            self.alter(state.has_expired, description, format!("alter role {name} valid until 'infinity'"));
        }
    }

    /// The limits of its statements at the server.
    fn plan_settings(&mut self, state: &State) {
        let name = escape_identifier(&self.role.name);
        let (since, connection_check) = CONNECTION_CHECK;
        let is_known = state.version >= since;
        let wanted: Vec<_> = SETTINGS.into_iter().chain(is_known.then_some(connection_check)).collect();
        let (mut shown, mut statements, mut is_replaced) = (Vec::new(), Vec::new(), false);
        for &(setting, value) in &wanted {
            if !state.settings.contains(&format!("{setting}={value}")) {
                let before = state.settings.iter().find_map(|own| own.split_once('=').filter(|own| own.0 == setting));
                is_replaced |= before.is_some();
                let before = before.map(|(_, before)| format!(" (before: {before})")).unwrap_or_default();
                shown.push(format!("{setting} {value}{before}"));
                statements.push(format!("alter role {name} set {setting} = '{value}'"));
            }
        }
        if !shown.is_empty() {
            let description = format!("limit its statements: {}", shown.join(", "));
            self.alter(is_replaced, description, statements.join("; "));
        }
        // Any other setting may hold sign-ups up, as `default_transaction_read_only` does.
        let database = format!(" in database {}", escape_identifier(&state.database));
        let is_wanted = |setting: &str| wanted.iter().any(|(name, _)| *name == setting);
        let others =
            state.settings.iter().map(|setting| (setting, "")).filter(|(setting, _)| !is_wanted(name_of(setting)));
        let of_database = state.database_settings.iter().map(|setting| (setting, database.as_str()));
        for (setting, place) in others.chain(of_database) {
            let setting = name_of(setting);
            let statement = format!("alter role {name}{place} reset {}", escape_identifier(setting));
            self.revoke(format!("reset its {setting}{place}"), statement);
        }
    }

    fn plan_revocations(&mut self, state: &State) {
        let name = escape_identifier(&self.role.name);
        for group in &state.member_of {
            if self.role.authentication == Authentication::Password || group != RDS_IAM {
                let statement = format!("revoke {} from {name}", escape_identifier(group));
                self.revoke(format!("revoke its membership in {group}"), statement);
            }
        }
        for object in &state.privileges {
            // The server has quoted the object's name where it must be.
            let statement = format!("revoke all on {object} from {name}");
            self.revoke(format!("revoke its privileges on {object}"), statement);
        }
        let mut creates = Vec::new();
        if state.may_create {
            creates.push(format!("create, temporary on database {}", escape_identifier(&state.database)));
        }
        creates.extend(state.may_create_in.iter().map(|schema| format!("create on schema {schema}")));
        if !creates.is_empty() {
            let statements: Vec<_> = creates.iter().map(|create| format!("revoke {create} from {name}")).collect();
            self.revoke("revoke its CREATE and TEMPORARY".to_owned(), statements.join("; "));
        }
    }

    /// What every role has, and so this one. Others may rely on it.
    fn plan_revocations_from_public(&mut self, state: &State) {
        for PublicPrivilege { privilege, object, is_to_create, losers } in &state.of_public {
            if *is_to_create && self.role.keeps_public {
                continue;
            }
            let named = losers.iter().take(MOST_NAMES).cloned().collect::<Vec<_>>().join(", ");
            let from = match losers.len().saturating_sub(MOST_NAMES) {
                _ if losers.is_empty() => String::new(),
                0 => format!(", and so from {named}"),
                more => format!(", and so from {named} and {more} more roles"),
            };
            let shown = if *is_to_create { object } else { ENSURE };
            self.changes.push(Change {
                description: format!("revoke {privilege} on {shown} from PUBLIC{from}"),
                is_loss: !losers.is_empty(),
                statement: format!("revoke {privilege} on {object} from public"),
            });
        }
        if let Some(statement) = state.forget_public_rights.filter(|_| !self.role.keeps_public) {
            let description = "forget the rights of PUBLIC that the next load would restore".to_owned();
            self.grant(description, statement.to_owned());
        }
    }

    fn plan_grants(&mut self, state: &State) {
        let name = escape_identifier(&self.role.name);
        let database = &state.database;
        if self.role.authentication == Authentication::Iam && !state.member_of.iter().any(|group| group == RDS_IAM) {
            let description = format!("grant {RDS_IAM}, so that it logs in with IAM tokens");
            let statement = format!("grant {RDS_IAM} to {name}");
            // RDS then refuses its password.
            if self.is_new { self.grant(description, statement) } else { self.revoke(description, statement) }
        }
        for (has, privilege, object, shown) in [
            (
                state.may_connect,
                "connect",
                format!("database {}", escape_identifier(database)),
                format!("database {database}"),
            ),
            (state.may_use_schema, "usage", "schema cognito".to_owned(), "schema cognito".to_owned()),
            (state.may_ensure, "execute", format!("function {ENSURE}(jsonb)"), ENSURE.to_owned()),
        ] {
            if !has {
                let description = format!("grant {} on {shown}", privilege.to_uppercase());
                self.grant(description, format!("grant {privilege} on {object} to {name}"));
            }
        }
    }

    /// Changes the role in all databases. Its clients may rely on what it is, unless the function is the only one; `is_loss` is
    /// whether even the function's role loses something by it, or an operator may have closed it on purpose.
    fn alter(&mut self, is_loss: bool, description: String, statement: String) {
        let is_loss = is_loss || self.has_other_clients;
        self.changes.push(Change { description, is_loss, statement });
    }

    fn grant(&mut self, description: String, statement: String) {
        self.changes.push(Change { description, is_loss: false, statement });
    }

    fn revoke(&mut self, description: String, statement: String) {
        self.changes.push(Change { description, is_loss: true, statement });
    }
}

/// The name of a setting such as `lock_timeout=4s`.
fn name_of(setting: &str) -> &str {
    setting.split_once('=').map_or(setting, |(name, _)| name)
}
