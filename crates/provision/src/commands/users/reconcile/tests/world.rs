//! A pool, a table, and the trigger between them.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cognito::{Event, UserEvent};
use db::users::{self, Ensured};
use serde_json::Value;
use serde_json::value::RawValue;
use testkit::user_pool::{Lag, Status, TokenSource, User};
use testkit::{Postgres, TestDatabase, UserPool};
use tokio::sync::Mutex;
use tokio_postgres::Client;

use super::checker::{self, Row, Rows, Told, Tombstones, hear_late};
use super::history::{ADDRESSES, Call, Climate, FIRST_FEDERATED, HANDLES, Origin, PEOPLE, Profile, Step};
use crate::target::Target;

const HOUR: Duration = Duration::from_hours(1);

/// Attempts of a call that loses a race for a handle, as the function has them.
const ATTEMPTS: usize = 4;

/// A table with the contract on it, in a database of its own.
pub(super) struct Table {
    name: &'static str,
    sub: &'static str,
    client: Client,
    pub(super) target: Target,
}

/// The pool, and what reached the function.
pub(super) struct World {
    pub(super) pool: UserPool,
    pub(super) table: Arc<Table>,
    has_address_names: bool,
    is_list_behind: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// As the checker expects them, while nothing disturbs.
    rows: Rows,
    /// Of those whom the application has deleted.
    tombstones: Tombstones,
    /// Calls that have not arrived. Those with a time wait on their way to the server.
    delayed: VecDeque<(String, Option<SystemTime>)>,
    /// Whose present state the function was told last.
    right: BTreeSet<String>,
    /// To whom something has happened since the run began.
    touched: BTreeSet<String>,
    is_disturbed: bool,
}

impl Table {
    /// The project's own table.
    pub(super) async fn own() -> Arc<Self> {
        let load = async |database: &TestDatabase| {
            db::schema::load(&mut database.connect().await?).await?;
            Ok(())
        };
        let database = Postgres::shared().loaded_database(load).await.expect("a database");
        Self::of(&database, "public.users", "cognito_user_id").await
    }

    /// The first table of `docs/own-table.md`.
    pub(super) async fn members() -> Arc<Self> {
        let database = Postgres::shared().database().await.expect("a database");
        let statements = [
            include_str!("../../../../../../../docs/own-table/owner.sql"),
            include_str!("../../../../../../../docs/own-table/members.sql"),
            include_str!("../../../../../../../docs/own-table/hand-over.sql"),
        ];
        let client = database.connect().await.expect("the database is up");
        client.batch_execute(&statements.join("\n")).await.expect("the contract");
        Self::of(&database, "public.members", "cognito_sub").await
    }

    async fn of(database: &TestDatabase, name: &'static str, sub: &'static str) -> Arc<Self> {
        let variable = |variable: &str| match variable {
            "CONNECTION_URL" => Some(database.url().into()),
            "PGSSLROOTCERT" => Some(database.root_certificate.clone().into_os_string()),
            _ => None,
        };
        let target = Target::development(variable).await.expect("a target");
        let client = database.connect().await.expect("the database is up");
        Arc::new(Self { name, sub, client, target })
    }

    pub(super) async fn clear(&self) {
        let drop = include_str!("../../../../../../db/sql/reconcile/drop.sql");
        let clear = format!("delete from {}; delete from cognito.forgotten;\n{drop}", self.name);
        self.client.batch_execute(&clear).await.expect("the table is there");
    }

    pub(super) async fn rows(&self) -> Rows {
        let rows = format!("select {}, email, email_verified, handle, cognito_as_of from {}", self.sub, self.name);
        let rows = self.client.query(&rows, &[]).await.expect("the rows");
        let row = |row: &tokio_postgres::Row| {
            (row.get(0), Row { email: row.get(1), is_verified: row.get(2), handle: row.get(3), as_of: row.get(4) })
        };
        rows.iter().map(row).collect()
    }

    /// Fails if an event that is not later than its user's tombstone has made a row.
    async fn check_tombstones(&self) -> Result<(), String> {
        let raised = format!(
            "select count(*) from {} as users join cognito.forgotten on digest = sha256(convert_to({}, 'UTF8'))
             where cognito_as_of <= forgotten.at",
            self.name, self.sub
        );
        let raised: i64 = self.client.query_one(&raised, &[]).await.expect("an answer").get(0);
        if raised == 0 { Ok(()) } else { Err(format!("{raised} forgotten users were made again by late events")) }
    }

    /// Whether a run has left its tables.
    pub(super) async fn has_run(&self) -> bool {
        let left = "select to_regclass('cognito.reconcile_run') is not null";
        self.client.query_one(left, &[]).await.expect("an answer").get(0)
    }
}

impl World {
    pub(super) async fn new(climate: &Climate, table: &Arc<Table>) -> Self {
        table.clear().await;
        let seed = climate.seed;
        let pool = if climate.has_address_names { UserPool::with_email_sign_in(seed) } else { UserPool::new(seed) };
        pool.fill(climate.filled);
        pool.change_rules(|rules| {
            rules.speed = 1e6;
            rules.short_pages = climate.short_pages;
            rules.sub_finds_local_users = climate.sub_finds_local_users;
            rules.lag = if climate.lag == 0 { Lag::None } else { Lag::Requests(climate.lag) };
        });
        let (has_address_names, is_list_behind) = (climate.has_address_names, climate.lag > 0);
        Self { pool, table: Arc::clone(table), has_address_names, is_list_behind, state: Mutex::default() }
    }

    /// From now on things happen while the rows are compared.
    pub(super) async fn begin_disturbance(&self) {
        let mut state = self.state.lock().await;
        state.is_disturbed = true;
        state.touched.clear();
    }

    /// Everything that is on its way arrives, and the rows are taken as they are.
    pub(super) async fn calm_down(&self) -> Result<(), String> {
        while !self.state.lock().await.delayed.is_empty() {
            self.perform(&Step::Arrives).await?;
        }
        self.table.check_tombstones().await?;
        let mut state = self.state.lock().await;
        state.rows = self.table.rows().await;
        state.is_disturbed = false;
        Ok(())
    }

    /// Those whose present state the function was told last, and those of them to whom nothing has happened since the run
    /// began.
    pub(super) async fn right(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        let State { right, touched, .. } = &*self.state.lock().await;
        (right.clone(), right.difference(touched).cloned().collect())
    }

    /// Fails unless the rows are as the calls have made them.
    pub(super) async fn check_rows(&self) -> Result<(), String> {
        let state = self.state.lock().await;
        let is_same = |_: &str, expected: &Row, row: &Row| expected.handle == row.handle;
        match checker::difference(&state.rows, &self.table.rows().await, is_same) {
            Some(difference) => Err(format!("the calls have left other rows:\n{difference}")),
            None => Ok(()),
        }
    }

    /// Does the step, if the pool permits it.
    pub(super) async fn perform(&self, step: &Step) -> Result<(), String> {
        match step {
            Step::Begins(person, origin, profile, call) => self.begin(*person, *origin, profile, *call).await,
            Step::Confirms(person, call) => {
                let confirm = |sub: &str| Some(self.pool.confirm(sub));
                self.change(*person, |user| user.status == Status::Unconfirmed, confirm, *call).await
            }
            Step::IsConfirmed(person, call) => {
                let confirm = |sub: &str| Some(self.pool.admin_confirm(sub));
                self.change(*person, |user| user.status == Status::Unconfirmed, confirm, *call).await
            }
            Step::ForgetsPassword(person, call) => {
                let may = |user: &User| matches!(user.status, Status::Confirmed | Status::ResetRequired);
                self.change(*person, may, |sub| Some(self.pool.confirm_forgot_password(sub)), *call).await
            }
            Step::ChangesPassword(person, call) => {
                let may = |user: &User| user.enabled && user.status == Status::ForceChangePassword;
                let token = |sub: &str| Some(self.pool.token(sub, TokenSource::NewPasswordChallenge));
                self.change(*person, may, token, *call).await
            }
            Step::GetsPassword(person) => {
                let may = |user: &User| user.status != Status::ExternalProvider;
                self.silently(*person, may, |sub| self.pool.set_password(sub)).await
            }
            Step::IsLinked(person) => {
                let may = |user: &User| user.status != Status::ExternalProvider;
                self.silently(*person, may, |sub| self.pool.link(sub, "Google", "noether")).await
            }
            Step::IsRenamed(person, handle) => {
                self.silently(*person, |_| true, |sub| self.pool.rename(sub, HANDLES[*handle])).await
            }
            Step::Moves(person, address) => {
                self.silently(*person, |_| true, |sub| self.pool.change_address(sub, ADDRESSES[*address])).await
            }
            Step::Verifies(person) => {
                let may = |user: &User| user.get("email").is_some();
                self.silently(*person, may, |sub| self.pool.verify(sub)).await
            }
            Step::IsDisabled(person) => self.silently(*person, |_| true, |sub| self.pool.disable(sub)).await,
            Step::IsEnabled(person) => self.silently(*person, |_| true, |sub| self.pool.enable(sub)).await,
            Step::IsDeleted(person) => self.silently(*person, |_| true, |sub| self.pool.delete(sub)).await,
            Step::Leaves(person) => self.leave(*person).await,
            Step::GetsToken(person, source, call) => {
                let source =
                    if *source == TokenSource::NewPasswordChallenge { TokenSource::RefreshTokens } else { *source };
                let token = |sub: &str| Some(self.pool.token(sub, source));
                self.call(*person, may_get_token, token, *call).await
            }
            Step::Wavers(person, address) => self.waver(*person, *address).await,
            Step::Arrives => {
                let mut state = self.state.lock().await;
                match state.delayed.pop_front() {
                    Some((event, as_of)) => self.deliver(&mut state, &event, as_of).await,
                    None => Ok(()),
                }
            }
            // After an hour, no list is behind.
            Step::Hour if self.is_list_behind => Ok(()),
            Step::Hour => self.pass_hour().await,
        }
    }

    async fn begin(&self, person: usize, origin: Origin, profile: &Profile, call: Call) -> Result<(), String> {
        let name = self.name(person);
        let is_federated = person >= FIRST_FEDERATED;
        if !is_federated && self.pool.user(&name).is_some() {
            return Ok(());
        }
        let mut state = self.state.lock().await;
        let mut attributes = Vec::new();
        let is_verified = if profile.is_verified { "true" } else { "false" };
        if let Some(address) = profile.address.filter(|_| is_federated || !self.has_address_names) {
            attributes.push(("email", ADDRESSES[address]));
        }
        if !attributes.is_empty() && (is_federated || !matches!(origin, Origin::SignUp | Origin::Federation)) {
            attributes.push(("email_verified", is_verified));
        }
        attributes.extend(profile.handle.map(|handle| ("preferred_username", HANDLES[handle])));
        if is_federated {
            let event = self.pool.federated("Google", PEOPLE[person], &attributes);
            let sub = self.pool.user(&name).expect("it has signed in").sub;
            state.touch(&sub);
            if let Some(event) = event {
                self.fire(&mut state, event, call).await?;
            }
            if self.pool.user(&sub).is_some_and(|user| user.enabled) {
                let token = self.pool.token(&sub, TokenSource::HostedAuth);
                self.fire(&mut state, token, call).await?;
            }
            return Ok(());
        }
        match origin {
            Origin::SignUp | Origin::Federation => self.pool.sign_up(&name, &attributes),
            Origin::AdminCreate => self.pool.admin_create(&name, &attributes),
            Origin::Import => self.pool.import(&name, &attributes),
            Origin::Migration => self.pool.migrate(&name, &attributes),
        };
        Ok(())
    }

    /// A change that fires no trigger.
    async fn silently(&self, person: usize, may: impl Fn(&User) -> bool, change: impl Fn(&str)) -> Result<(), String> {
        let change = |sub: &str| {
            change(sub);
            None
        };
        self.change(person, may, change, Call::Lost).await
    }

    async fn change(
        &self,
        person: usize,
        may: impl Fn(&User) -> bool,
        change: impl Fn(&str) -> Option<String>,
        call: Call,
    ) -> Result<(), String> {
        // Under the same lock as the change: else a call between them would count as the last word.
        let mut state = self.state.lock().await;
        if let Some(user) = self.find(person) {
            state.touch(&user.sub);
        }
        self.call_in(&mut state, person, may, change, call).await
    }

    async fn call(
        &self,
        person: usize,
        may: impl Fn(&User) -> bool,
        event: impl Fn(&str) -> Option<String>,
        call: Call,
    ) -> Result<(), String> {
        self.call_in(&mut *self.state.lock().await, person, may, event, call).await
    }

    async fn call_in(
        &self,
        state: &mut State,
        person: usize,
        may: impl Fn(&User) -> bool,
        event: impl Fn(&str) -> Option<String>,
        call: Call,
    ) -> Result<(), String> {
        match self.find(person).filter(may).and_then(|user| event(&user.sub)) {
            Some(event) => self.fire(state, event, call).await,
            None => Ok(()),
        }
    }

    async fn leave(&self, person: usize) -> Result<(), String> {
        let mut state = self.state.lock().await;
        let Some(user) = self.find(person) else { return Ok(()) };
        state.touch(&user.sub);
        self.pool.delete(&user.sub);
        let forget = "select cognito.forget_user($1)";
        self.table.client.query_one(forget, &[&user.sub]).await.map_err(|error| error.to_string())?;
        state.rows.remove(&user.sub);
        state.tombstones.insert(user.sub, SystemTime::now());
        Ok(())
    }

    async fn waver(&self, person: usize, address: usize) -> Result<(), String> {
        let mut state = self.state.lock().await;
        let Some(user) = self.find(person).filter(may_get_token) else { return Ok(()) };
        let Some(former) = user.get("email") else { return Ok(()) };
        state.touch(&user.sub);
        self.pool.change_address(&user.sub, ADDRESSES[address]);
        self.pool.verify(&user.sub);
        self.pool.change_address(&user.sub, former);
        if user.get("email_verified") == Some("true") {
            self.pool.verify(&user.sub);
        }
        let token = self.pool.token(&user.sub, TokenSource::RefreshTokens);
        self.fire(&mut state, token, Call::Answered).await
    }

    /// Calls the trigger, with luck.
    async fn fire(&self, state: &mut State, event: String, call: Call) -> Result<(), String> {
        match call {
            Call::Answered => self.deliver(state, &event, None).await,
            Call::Lost => Ok(()),
            Call::Failed => {
                let event = user_event(&event, SystemTime::now());
                let client = &self.table.client;
                client.batch_execute("begin").await.expect("the database is up");
                let _ = users::ensure(client, &event).await;
                client.batch_execute("rollback").await.expect("the database is up");
                Ok(())
            }
            Call::Doubled => {
                self.deliver(state, &event, None).await?;
                self.deliver(state, &event, None).await
            }
            Call::Delayed => {
                state.delayed.push_back((event, None));
                Ok(())
            }
            Call::Stalled => {
                state.delayed.push_back((event, Some(SystemTime::now())));
                Ok(())
            }
        }
    }

    /// The function's work. What it writes is the checker's to say, unless a reconciliation writes as well.
    async fn deliver(&self, state: &mut State, event: &str, since: Option<SystemTime>) -> Result<(), String> {
        let as_of = since.unwrap_or_else(SystemTime::now);
        let told = Told::by_event(&serde_json::from_str::<Value>(event).expect("an event"));
        state.touch(&told.sub);
        let user_event = user_event(event, as_of);
        let mut answer = users::ensure(&self.table.client, &user_event).await;
        for _ in 1..ATTEMPTS {
            if answer.is_ok() {
                break;
            }
            answer = users::ensure(&self.table.client, &user_event).await;
        }
        let answer = match answer.map_err(|error| format!("the function fails: {error}"))? {
            Ensured::Created => "created",
            Ensured::Changed => "changed",
            Ensured::Unchanged => "unchanged",
        };
        let user = self.pool.user(&told.sub);
        let is_present = |user: &User| {
            let present = Told::by_pool(user);
            (present.email, present.is_verified) == (told.email.clone(), told.is_verified)
        };
        let is_right = since.is_none() && user.as_ref().is_some_and(is_present);
        if is_right {
            state.right.insert(told.sub.clone());
        }
        if state.is_disturbed {
            return Ok(());
        }
        let State { rows, tombstones, .. } = &mut *state;
        let expected = hear_late(rows, tombstones, &told, as_of);
        if answer != expected {
            return Err(format!("the answer for {} is {answer}, not {expected}", told.sub));
        }
        match user.filter(|_| is_right) {
            Some(user) => checker::fault(&self.table.rows().await, &user).map_or(Ok(()), Err),
            None => Ok(()),
        }
    }

    pub(super) async fn pass_hour(&self) -> Result<(), String> {
        let mut state = self.state.lock().await;
        // While the rows are compared, no hour passes.
        if state.is_disturbed {
            return Ok(());
        }
        let State { rows, tombstones, delayed, .. } = &mut *state;
        for at in tombstones.values_mut() {
            *at -= HOUR;
        }
        for row in rows.values_mut() {
            row.as_of -= HOUR;
        }
        delayed.iter_mut().filter_map(|(_, as_of)| as_of.as_mut()).for_each(|as_of| *as_of -= HOUR);
        let update = format!(
            "update {} set cognito_as_of = cognito_as_of - interval '1 hour';
             update cognito.forgotten set at = at - interval '1 hour'",
            self.table.name
        );
        self.table.client.batch_execute(&update).await.map_err(|error| error.to_string())
    }

    fn find(&self, person: usize) -> Option<User> {
        self.pool.user(&self.name(person))
    }

    fn name(&self, person: usize) -> String {
        match PEOPLE[person] {
            name if person >= FIRST_FEDERATED => format!("google_{name}"),
            name if self.has_address_names => format!("{name}@example.com"),
            name => name.to_owned(),
        }
    }
}

impl State {
    /// Something happens to this user.
    fn touch(&mut self, sub: &str) {
        self.right.remove(sub);
        self.touched.insert(sub.to_owned());
    }
}

fn may_get_token(user: &User) -> bool {
    user.enabled && matches!(user.status, Status::Confirmed | Status::ExternalProvider)
}

fn user_event(event: &str, as_of: SystemTime) -> UserEvent {
    let event = RawValue::from_string(event.to_owned()).expect("it is JSON");
    UserEvent::new(&Event::parse(&event).expect("an event"), as_of).expect("it has a user")
}
