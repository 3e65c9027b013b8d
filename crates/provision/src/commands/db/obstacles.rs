//! What stops a database from being dropped, found before anything is closed, saved or asked.

use anyhow::{bail, ensure};
use db::Error;
use db::role;
use db::row::{Columns, Lossy};
use postgres_protocol::escape::{escape_identifier, escape_literal};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::error::Problem;
use crate::output::counted;
use crate::target::{Session, Target};

/// A client or a process of the server that is connected to the database.
struct Occupant {
    pid: i32,
    /// `session`, or the kind of the process.
    kind: String,
    /// Whether its role is a superuser.
    is_superusers: bool,
    /// Whether this login may end it.
    may_end: bool,
}

/// Fails if this login cannot drop the database, or only with `force` and there is none. Returns what the drop ends and
/// takes along, in words.
pub(super) async fn examine(target: &Target, session: &Session, force: bool) -> anyhow::Result<String> {
    let name = &target.login.dbname;
    let rows = session.query_typed(include_str!("obstacles.sql"), &[(name, Type::TEXT)]).await.map_err(Error::from)?;
    let Some(row) = rows.first() else {
        // It was dropped meanwhile.
        return Ok("no session is open".to_owned());
    };
    ensure_droppable(target, row)?;
    let occupants = read_occupants(session, name).await?;
    let Lossy(role) = row.column("login")?;
    ensure_endable(target, &role, &occupants)?;
    let (clients, processes): (Vec<_>, Vec<_>) = occupants.iter().partition(|occupant| occupant.kind == "session");
    let mut parts = match clients.len() {
        0 if !processes.is_empty() => Vec::new(),
        0 => vec!["no session is open".to_owned()],
        open => vec![counted(open, "session is open", "sessions are open")],
    };
    parts.extend(processes.iter().map(|process| format!("the process {} ({}) runs", process.pid, process.kind)));
    let in_use = parts.join(", ");
    ensure!(
        force || occupants.is_empty(),
        Problem::new(
            format!("the database {} is in use: {in_use}", target.name()),
            if processes.is_empty() {
                "list them with `provision db sessions`, and add --force to end them"
            } else {
                "add --force to end what is connected"
            }
        )
    );
    let slots = row.names("idle_slots")?;
    Ok(match slots.as_slice() {
        [] => in_use,
        slots => format!("{in_use}; dropped with it: the replication slot {}", slots.join(", ")),
    })
}

fn ensure_droppable(target: &Target, row: &Row) -> anyhow::Result<()> {
    let names = |column| row.names(column);
    let is = |column| row.column::<bool>(column);
    let (name, login) = (target.name(), &target.login);
    ensure!(
        !is("is_read_only")?,
        Problem::new(
            format!("cannot drop {name}: this server or role only reads (SQLSTATE 25006)"),
            if is("is_replica")? {
                "connect to the writer"
            } else {
                "reset default_transaction_read_only where it is set: for the role, the maintenance database or the server"
            }
        )
    );
    let (Lossy(user), Lossy(owner)) = (row.column("login")?, row.column("owner")?);
    let grant: Option<Lossy> = row.column("owner_grant")?;
    ensure!(
        is("may_drop")?,
        Problem::new(
            format!("{user} may not drop {name}, which {owner} owns"),
            match grant.filter(|_| !is_functions(&user)) {
                Some(Lossy(grant)) => format!("log in as {owner}, or have an administrator run: {grant}"),
                None => format!("log in as {owner}"),
            }
        )
    );
    ensure!(
        !is("is_template")?,
        Problem::new(
            format!("{name} is a template for new databases"),
            format!("run: alter database {} is_template false", escape_identifier(&login.dbname))
        )
    );
    let open_first = if is("is_open")? { "" } else { "open it with `provision db create`, then " };
    let in_it = |role: &str, statement: String| format!("{open_first}run as {role} in that database: {statement}");
    if let ([gid, ..], [role, ..]) = (names("prepared")?.as_slice(), names("preparers")?.as_slice()) {
        let gid = escape_literal(gid);
        let problem = format!("the prepared transaction {} holds {name}", gid.trim());
        let statement = format!("rollback prepared {0}; or: commit prepared {0}", gid.trim());
        bail!(Problem::new(problem, in_it(role, statement)));
    }
    if let ([subscription, ..], [role, ..]) = (names("subscriptions")?.as_slice(), names("subscribers")?.as_slice()) {
        let problem = format!("{name} has the subscription {subscription}");
        let subscription = escape_identifier(subscription);
        // The slot at the publisher is dropped with it, where that can be reached.
        let statement = format!(
            "drop subscription {subscription}; or, if its publisher is gone: alter subscription {subscription} disable; \
             alter subscription {subscription} set (slot_name = none); drop subscription {subscription}"
        );
        bail!(Problem::new(problem, in_it(role, statement)));
    }
    if let [slot, ..] = names("active_slots")?.as_slice() {
        let problem = format!("a subscriber reads {name} through the replication slot {slot}");
        let slot = escape_literal(slot);
        bail!(Problem::new(
            problem,
            format!("stop the subscriber, then run: select pg_drop_replication_slot({})", slot.trim())
        ));
    }
    Ok(())
}

fn ensure_endable(target: &Target, role: &str, occupants: &[Occupant]) -> anyhow::Result<()> {
    let Some(Occupant { pid, kind, is_superusers, .. }) = occupants.iter().find(|occupant| !occupant.may_end) else {
        return Ok(());
    };
    let name = target.name();
    if *is_superusers {
        bail!(Problem::new(
            format!("{name} is in use, and {role} may not end the {kind} {pid} of a superuser"),
            format!("close it at its client, or have a superuser run: select pg_terminate_backend({pid})")
        ));
    }
    bail!(Problem::new(
        format!("{name} is in use, and {role} may not end the {kind} {pid} of another role"),
        if is_functions(role) {
            "close it at its client, or log in as a role that may end it".to_owned()
        } else {
            let role = escape_identifier(role);
            format!("close it at its client, or have an administrator run: grant pg_signal_backend to {role}")
        }
    ))
}

/// Whether the role is, by its usual name, the function's: no hint gives that more than it is for.
pub(super) fn is_functions(role: &str) -> bool {
    role.strip_prefix(role::NAME).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
}

/// The way out for a role that lacks CREATEDB.
pub(super) fn createdb_remedy(role: &str) -> String {
    let log_in = "log in as a role that has CREATEDB";
    if is_functions(role) {
        return log_in.to_owned();
    }
    format!("{log_in}, or have one grant it: alter role {} createdb", escape_identifier(role))
}

/// The number of clients and processes that are connected to the database.
pub(super) async fn count_occupants(session: &Session, database: &str) -> Result<usize, Error> {
    Ok(read_occupants(session, database).await?.len())
}

async fn read_occupants(session: &Session, database: &str) -> Result<Vec<Occupant>, Error> {
    let rows = session.query_typed(include_str!("occupants.sql"), &[(&database, Type::TEXT)]).await?;
    let occupant = |row: &Row| {
        Ok(Occupant {
            pid: row.column("pid")?,
            kind: row.column("kind")?,
            is_superusers: row.column("is_superusers")?,
            may_end: row.column("may_end")?,
        })
    };
    rows.iter().map(occupant).collect()
}
