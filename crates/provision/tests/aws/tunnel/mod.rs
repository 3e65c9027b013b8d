//! `provision db tunnel`, with a plugin that forwards to a real server as AWS's does.

pub(crate) mod scene;

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};

use self::scene::{SESSION, Scene, failure, run, send, start, stdout};

const PSQL: [&str; 6] =
    ["psql", "-X", "-A", "-t", "-c", "select current_database(), ssl from pg_stat_ssl where pid = pg_backend_pid()"];

#[tokio::test]
async fn psql_reaches_a_private_instance_with_its_certificate_verified() {
    let scene = Scene::new("tunnel-psql", "bastion").await.with_database().await;
    let mut command = scene.tunnel(&[&["--"][..], &PSQL].concat());
    assert_eq!(stdout(&mut command), "tunnel_psql|t\n");
    let call = scene.call();
    let url = scene.amended().environment()[0].1.clone();
    assert_eq!(call["arguments"], json!(["AWS_SSM_START_SESSION_RESPONSE", "eu-central-1", "StartSession", "", url]));
    let request = &call["request"];
    assert_eq!(request["Target"], scene.id("bastion"));
    assert_eq!(request["DocumentName"], "AWS-StartPortForwardingSessionToRemoteHost");
    assert_eq!(request["Parameters"]["host"], json!(["tunnel-psql.aaaaaaaaaa.eu-central-1.rds.amazonaws.com"]));
    assert_eq!(request["Parameters"]["portNumber"], json!(["5432"]));
    scene.assert_ended();
}

#[tokio::test]
async fn a_server_with_another_name_is_refused_at_the_end_of_the_tunnel() {
    let scene = Scene::new("tunnel-name", "bastion").await.with_database().await;
    let elsewhere = ["--", "env", "PGHOST=users-db.example.com"];
    let output = run(&mut scene.tunnel(&[&elsewhere[..], &PSQL].concat()));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "psql's status: {stderr}");
    assert!(stderr.contains("does not match host name \"users-db.example.com\""), "{stderr}");
    scene.assert_ended();
}

#[tokio::test]
async fn other_commands_go_through_it() {
    let scene = Scene::new("tunnel-load", "range").await;
    let provision = env!("CARGO_BIN_EXE_provision");
    let config = scene.file("rds.toml");
    let nested = [provision, "--config", config.to_str().expect("UTF-8")];
    let through = |command: &[&str]| stdout(&mut scene.tunnel(&[&["--"], &nested[..], command].concat()));
    assert!(through(&["db", "create", "--prod"]).contains("is created"));
    assert!(through(&["db", "load", "--prod"]).starts_with("applied V1__users"));
    assert_eq!(through(&["db", "load", "--prod", "--check"]), "the schema is up to date\n");
}

#[tokio::test]
async fn a_url_of_production_goes_through_it_whatever_port_it_names() {
    let scene = Scene::new("tunnel-url", "bastion").await.with_database().await;
    let url = "postgres://admin:P%4055w0rd%21@tunnel-url.aaaaaaaaaa.eu-central-1.rds.amazonaws.com:5432/tunnel_url";
    let load = ["--", env!("CARGO_BIN_EXE_provision"), "db", "load", "--prod"];
    let mut command = scene.tunnel(&load);
    assert!(stdout(command.env("PROD_CONNECTION_URL", url)).starts_with("applied V1__users"));
    scene.assert_ended();
}

#[tokio::test]
async fn without_prod_a_url_of_production_stays_out_of_the_tunnel() {
    let scene = Scene::new("tunnel-dev", "bastion").await.with_database().await;
    let url = "postgres://admin:P%4055w0rd%21@tunnel-dev.aaaaaaaaaa.eu-central-1.rds.amazonaws.com:5432/tunnel_dev";
    let load = r#"echo "production: ${PROD_CONNECTION_URL-none}"; exec "$0" db load"#;
    let mut command = scene.command(&["db", "tunnel", "--", "sh", "-c", load, env!("CARGO_BIN_EXE_provision")]);
    command.env("CONNECTION_URL", url).env("PROD_CONNECTION_URL", "postgres://ada:hunter2@production.example.com/app");
    assert!(stdout(&mut command).starts_with("production: none\napplied V1__users"));
    scene.assert_ended();
}

#[tokio::test]
async fn roots_of_the_region_are_in_a_file_for_as_long_as_the_command_runs() {
    let scene = Scene::new("tunnel-roots", "bastion").await;
    let show = r#"echo "$PGSSLMODE $PGSSLROOTCERT"; grep -c BEGIN "$PGSSLROOTCERT""#;
    let shown = stdout(scene.tunnel(&["--", "sh", "-c", show]).env_remove("PGSSLROOTCERT"));
    let (mode, rest) = shown.split_once(' ').expect("two words");
    let (path, roots) = rest.split_once('\n').expect("two lines");
    assert_eq!((mode, roots.trim()), ("verify-full", "3"), "Amazon's three roots of a region");
    assert!(!std::path::Path::new(path).exists(), "{path} is there still");
}

#[tokio::test]
async fn the_tunnel_ends_with_the_command_and_with_its_status() {
    let scene = Scene::new("tunnel-status", "bastion").await;
    let output = run(&mut scene.tunnel(&["--", "sh", "-c", "exit 7"]));
    assert_eq!(output.status.code(), Some(7), "{}", String::from_utf8_lossy(&output.stderr));
    scene.assert_ended();
}

#[tokio::test]
async fn a_command_that_is_not_there_ends_the_tunnel_as_well() {
    let scene = Scene::new("tunnel-typo", "bastion").await;
    let stderr = failure(&mut scene.tunnel(&["--", "pqsl"]));
    assert!(
        stderr.contains("error: cannot run the command: ") && stderr.contains("hint: correct the command"),
        "{stderr}"
    );
    scene.assert_ended();
}

#[tokio::test]
async fn without_a_command_it_is_open_until_it_is_interrupted() {
    for signal in ["INT", "TERM"] {
        let name = if signal == "INT" { "tunnel-int" } else { "tunnel-term" };
        let scene = Scene::new(name, "bastion").await.with_database().await;
        let (child, line) = start(&mut scene.tunnel(&[]));
        let host = format!("{name}.aaaaaaaaaa.eu-central-1.rds.amazonaws.com");
        let port =
            line.trim().strip_prefix(&format!("export PGHOST={host} PGHOSTADDR=127.0.0.1 PGPORT=")).expect(&line);
        // As in another terminal.
        let mut other = scene.command(&["db", "load", "--prod", "--dry-run"]);
        let shown = stdout(other.env("PGHOSTADDR", "127.0.0.1").env("PGPORT", port));
        assert!(shown.contains("V1__users"), "{shown}");
        send(signal, &child.id().to_string());
        let output = child.wait_with_output().expect("it ends");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{stderr}");
        assert!(stderr.contains("(bastion) is open; Ctrl-C ends it"), "{stderr}");
        scene.assert_ended();
    }
}

#[tokio::test]
async fn its_end_is_json_if_that_is_asked_for() {
    let scene = Scene::new("tunnel-json", "bastion").await;
    let plan: Value =
        serde_json::from_str(&stdout(&mut scene.tunnel(&["--dry-run", "--output", "json"]))).expect("JSON");
    assert_eq!(plan["through"], format!("{} (bastion)", scene.id("bastion")));
    assert_eq!(plan["port"], 5432);
}

#[tokio::test]
async fn a_dry_run_shows_what_would_forward_and_starts_nothing() {
    let scene = Scene::new("tunnel-dry", "bastion").await;
    let shown = stdout(&mut scene.tunnel(&["--dry-run", "--port", "15432", "--", "psql"]));
    let bastion = scene.id("bastion");
    let host = "tunnel-dry.aaaaaaaaaa.eu-central-1.rds.amazonaws.com";
    let parameters = json!({"host": [host], "portNumber": ["5432"], "localPortNumber": ["15432"]});
    assert_eq!(
        shown,
        format!(
            "{bastion} (bastion) would forward 127.0.0.1:15432 to {host}:5432, as by hand:\n  aws ssm start-session \
             --target {bastion} --document-name AWS-StartPortForwardingSessionToRemoteHost --parameters '{parameters}' \
             --region eu-central-1\n"
        )
    );
    assert_eq!(scene.sessions(), [] as [String; 0]);
    assert!(!scene.file("plugin.start").exists());
}

#[tokio::test]
async fn sigterm_ends_the_command_and_the_tunnel() {
    let scene = Scene::new("tunnel-stop", "bastion").await;
    let (child, line) = start(&mut scene.tunnel(&["--", "sh", "-c", "echo started; exec sleep 1000"]));
    assert_eq!(line, "started\n");
    send("TERM", &child.id().to_string());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(143), "{}", String::from_utf8_lossy(&output.stderr));
    scene.assert_ended();
}

#[tokio::test]
async fn ctrl_c_is_for_the_command_and_the_tunnel_outlasts_it() {
    let scene = Scene::new("tunnel-keyboard", "bastion").await.with_database().await;
    // As psql does, it goes on after Ctrl-C.
    let script = format!(
        r#"trap 'caught=1' INT; echo started; while [ -z "$caught" ]; do sleep 0.05; done; exec {} "{}""#,
        PSQL[..5].join(" "),
        PSQL[5]
    );
    let mut command = scene.tunnel(&["--", "sh", "-c", &script]);
    let (child, line) = start(command.process_group(0));
    assert_eq!(line, "started\n");
    // The terminal sends it to the whole group in the foreground.
    send("INT", &format!("-{}", child.id()));
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "tunnel_keyboard|t\n",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    scene.assert_ended();
}

#[tokio::test]
async fn the_plugins_end_is_the_tunnels() {
    let scene = Scene::new("tunnel-death", "bastion").await;
    let (child, _) = start(&mut scene.tunnel(&[]));
    send("KILL", &scene.call()["pid"].to_string());
    let output = child.wait_with_output().expect("it ends");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    let expected = "error: session-manager-plugin has ended, and the tunnel with it: Waiting for connections...\n\
                    hint: open the tunnel again\n";
    assert!(stderr.ends_with(expected), "{stderr}");
    assert_eq!(scene.sessions(), ["StartSession", "TerminateSession"]);
}

#[tokio::test]
async fn a_plugin_that_cannot_open_the_tunnel_says_why() {
    let scene = Scene::new("tunnel-broken", "bastion").await;
    let stderr = failure(scene.tunnel(&[]).env("PLUGIN_BEHAVIOUR", "fails"));
    assert!(
        stderr.contains("and the tunnel with it: Cannot perform start session: EOF\nhint: open the tunnel"),
        "{stderr}"
    );
    assert_eq!(scene.sessions(), ["StartSession", "TerminateSession"]);

    let stderr = failure(scene.tunnel(&[]).env("PLUGIN_BEHAVIOUR", "unreachable"));
    let expected = format!("rds.amazonaws.com:5432 does not answer through {} (bastion)", scene.id("bastion"));
    assert!(stderr.contains("Connection to destination port failed") && stderr.contains(&expected), "{stderr}");
    assert!(stderr.contains("hint: let the security groups and network ACLs"), "{stderr}");
}

#[tokio::test]
async fn a_plugin_that_is_missing_or_too_old_is_named_before_a_session_starts() {
    let scene = Scene::new("tunnel-plugin", "bastion").await;
    let stderr = failure(scene.tunnel(&[]).env("PATH", "/nonexistent"));
    assert!(
        stderr.starts_with("error: session-manager-plugin is not installed\nhint: install it (https://"),
        "{stderr}"
    );
    assert!(stderr.contains("`provision --in-vpc`"), "{stderr}");
    for version in ["1.2.497.0", "1.1.999.0", "none"] {
        let stderr = failure(scene.tunnel(&[]).env("PLUGIN_VERSION", version));
        assert!(stderr.contains("would show the session's token on its command line"), "{version}: {stderr}");
    }
    assert_eq!(scene.sessions(), [] as [String; 0]);
}

#[tokio::test]
async fn a_bastion_that_is_not_let_in_is_named_with_the_command_that_lets_it_in() {
    let scene = Scene::new("tunnel-closed", "nothing").await;
    let stderr = failure(&mut scene.tunnel(&[]));
    let (bastion, group, own) = (scene.id("bastion"), scene.id("group"), scene.id("group_of_bastion"));
    let expected = format!("error: {bastion} (bastion) could forward, but no rule of {group} allows it at port 5432\n");
    assert!(stderr.starts_with(&expected), "{stderr}");
    let config = scene.file("rds.toml");
    let allow =
        format!("run `provision access allow --from-group {own} --group {group} --config {}`", config.display());
    assert!(stderr.contains(&allow), "{stderr}");
    // The remedy helps.
    let mut remedy = scene.command(&["access", "allow", "--from-group", own, "--group", group]);
    stdout(&mut remedy);
    assert!(stdout(&mut scene.tunnel(&["--dry-run"])).starts_with(bastion));
}

#[tokio::test]
async fn where_nothing_can_forward_what_is_missing_is_said() {
    let scene = Scene::new("tunnel-nothing", "range").await;
    scene.set_online(&[]);
    let stderr = failure(&mut scene.tunnel(&[]));
    let vpc = scene.id("vpc");
    for expected in [
        &format!(
            "error: AWS Systems Manager reaches nothing in {vpc} that could forward: no EC2 instance there is online"
        ),
        "no task has ECS Exec turned on (2 run without)\nhint: ",
        "AmazonSSMManagedInstanceCore",
        "--enable-execute-command",
        "`provision --in-vpc`",
    ] {
        assert!(stderr.contains(expected), "expected {expected:?} in {stderr}");
    }
    scene.amended().refuse("ecs", "ListClusters", "AccessDeniedException");
    let stderr = failure(&mut scene.tunnel(&[]));
    assert!(
        stderr.contains("(1 run without): ECS cannot be looked at: ") && stderr.contains("ecs:ListClusters"),
        "{stderr}"
    );

    let stderr = failure(&mut scene.tunnel(&["--through", "bastion"]));
    assert!(stderr.starts_with("error: bastion is neither an EC2 instance nor a task"), "{stderr}");
    assert_eq!(scene.sessions(), [] as [String; 0]);
}

#[tokio::test]
async fn a_task_with_exec_forwards_where_no_instance_does() {
    let scene = Scene::new("tunnel-task", "task").await.with_database().await;
    scene.turn_exec_on();
    let mut command = scene.tunnel(&[&["--"][..], &PSQL].concat());
    assert_eq!(stdout(&mut command), "tunnel_task|t\n");
    let task = scene.id("task");
    assert_eq!(scene.call()["request"]["Target"], format!("ecs:tunnel-task_{task}_web-1"));
}

#[tokio::test]
async fn what_is_named_forwards() {
    let scene = Scene::new("tunnel-through", "both").await;
    scene.turn_exec_on();
    let task = format!("tunnel-through/{}", scene.id("task"));
    for name in ["bastion", scene.id("bastion"), &task] {
        let shown = stdout(&mut scene.tunnel(&["--dry-run", "--through", name]));
        let expected = if name == task { &task } else { scene.id("bastion") };
        assert!(shown.starts_with(expected), "{shown}");
    }
}

#[tokio::test]
async fn what_systems_manager_refuses_is_said_with_the_way_out() {
    let scene = Scene::new("tunnel-denied", "bastion").await;
    let document = "User: ada is not authorized to perform: ssm:StartSession on resource: \
                    arn:aws:ssm:eu-central-1::document/AWS-StartPortForwardingSessionToRemoteHost";
    for (operation, code, message, expected) in [
        ("StartSession", "AccessDeniedException", document, "these credentials may not use the document AWS-Start"),
        ("StartSession", "AccessDeniedException", "not authorized", "do not allow ssm:StartSession"),
        ("StartSession", "TargetNotConnected", "x", "is not connected to AWS Systems Manager"),
        ("StartSession", "InvalidDocument", "x", "this region has no document AWS-Start"),
        ("DescribeInstanceInformation", "AccessDeniedException", "x", "ssm:DescribeInstanceInformation"),
    ] {
        scene.amended().refuse_because("ssm", operation, code, message);
        let stderr = failure(&mut scene.tunnel(&["--", "psql"]));
        assert!(stderr.contains(expected) && stderr.contains("\nhint: "), "expected {expected:?} in {stderr}");
    }
    assert!(!scene.file("plugin.start").exists());
}

#[tokio::test]
async fn a_port_that_is_taken_is_refused_before_a_session_starts() {
    let scene = Scene::new("tunnel-port", "bastion").await;
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("its address").port().to_string();
    let stderr = failure(&mut scene.tunnel(&["--port", &port]));
    assert!(stderr.contains(&format!("the port {port} of this machine cannot be used")), "{stderr}");
    assert_eq!(scene.sessions(), [] as [String; 0]);
}

#[tokio::test]
async fn a_database_that_is_no_instance_or_is_reached_already_gets_no_tunnel() {
    let scene = Scene::new("tunnel-local", "bastion").await;
    let url = "postgres://ada:hunter2@db.example.com/app";
    let mut local = scene.command(&["db", "tunnel"]);
    let stderr = failure(local.env("CONNECTION_URL", url));
    assert!(stderr.starts_with("error: db.example.com is no endpoint of a DB instance"), "{stderr}");
    let stderr = failure(scene.tunnel(&[]).env("PGHOSTADDR", "127.0.0.1").env("PGPORT", "1"));
    assert!(stderr.contains("names an address already\nhint: unset it"), "{stderr}");
}

#[tokio::test]
async fn a_session_that_does_not_end_is_said_and_the_commands_status_stays() {
    let scene = Scene::new("tunnel-rest", "bastion").await;
    scene.amended().refuse("ssm", "TerminateSession", "AccessDeniedException");
    let output = run(&mut scene.tunnel(&["--", "true"]));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert!(stderr.contains(&format!("the session {SESSION} is open still")), "{stderr}");
}

#[tokio::test]
async fn an_interruption_before_it_is_open_ends_it() {
    let scene = Scene::new("tunnel-early", "bastion").await;
    let mut command = scene.tunnel(&["--", "echo", "never"]);
    let child = command.env("PLUGIN_BEHAVIOUR", "silent").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.expect("provision starts");
    while !scene.file("plugin.start").exists() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    send("INT", &child.id().to_string());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout.is_empty());
    assert_eq!(scene.sessions(), ["StartSession", "TerminateSession"]);
}
