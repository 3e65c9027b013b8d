//! The output of the commands, word for word: people and programs rely on it.

use insta::{Settings, assert_snapshot};

use crate::account::Account;

#[test]
fn output_that_is_no_terminal_has_no_colour() {
    let account = Account::new("plain", "");
    for no_color in [None, Some("1")] {
        for arguments in [["instance", "plan"], ["instance", "nonsense"]] {
            let output = account.command(&arguments).envs(no_color.map(|value| ("NO_COLOR", value))).output();
            let output = output.expect("provision starts");
            let written = [output.stdout, output.stderr].concat();
            assert!(!written.is_empty() && !written.contains(&0x1b), "{}", String::from_utf8_lossy(&written));
        }
    }
}

#[test]
fn the_story_of_an_instance_reads_as_it_did() {
    let mut settings = Settings::clone_current();
    for (what, stands_for) in [
        (r"sg-[0-9a-f]+", "sg-ID"),
        (r"sgr-[0-9a-f]+", "sgr-ID"),
        (r"secret:rds!db-[-0-9a-zA-Z]+", "secret:rds!db-ID"),
        (r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "TIME"),
    ] {
        settings.add_filter(what, stands_for);
    }
    settings.bind(|| {
        let account = Account::new("golden", "[tags]\nproject = \"users\"\n");
        let allow = ["access", "allow", "--user", "ada", "--cidr", "192.0.2.7", "--expires", "8h"];
        let story: [(&str, &[&str]); 7] = [
            ("plan-new", &["instance", "plan"]),
            ("apply", &["instance", "apply", "--yes"]),
            ("plan-done", &["instance", "plan"]),
            ("allow", &allow),
            ("list", &["access", "list"]),
            ("status", &["instance", "status"]),
            ("revoke", &["access", "revoke", "--user", "nobody"]),
        ];
        for (name, command) in story {
            for format in ["text", "json"] {
                let output = account.run(&[command, &["--output", format]].concat());
                let (stdout, stderr) =
                    (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
                if format == "json" {
                    serde_json::from_str::<serde_json::Value>(&stdout).expect("JSON and nothing else");
                }
                let status = output.status.code().expect("it ends by itself");
                assert_snapshot!(
                    format!("{name}-{format}"),
                    format!("exit status: {status}\n--- standard output\n{stdout}--- standard error\n{stderr}")
                );
            }
        }
    });
}
