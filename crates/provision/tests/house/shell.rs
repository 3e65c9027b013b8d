//! The commands in a line of shell, as far as documents use it.

/// Splits a line into commands, and each into its words: quotes hold a word together, `#` begins a comment, and
/// assignments before a command are left out.
pub(crate) fn commands(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    for word in words(line) {
        if ["|", "||", "&&", ";", "&"].contains(&word.as_str()) {
            commands.push(Vec::new());
        } else if let Some(command) = commands.last_mut()
            && (!command.is_empty() || !is_assignment(&word))
        {
            command.push(word);
        }
    }
    commands.retain(|command| !command.is_empty());
    commands
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=')
        .is_some_and(|(name, _)| name.chars().all(|letter| letter.is_ascii_uppercase() || letter == '_'))
}

fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for letter in line.trim().trim_start_matches("$ ").chars() {
        match quote {
            Some(end) if letter == end => quote = None,
            None if ['"', '\''].contains(&letter) => quote = Some(letter),
            None if letter == '#' && word.is_empty() => break,
            None if letter == ';' => {
                words.push(std::mem::take(&mut word));
                words.push(";".to_owned());
            }
            None if letter.is_whitespace() => words.push(std::mem::take(&mut word)),
            Some(_) | None => word.push(letter),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn a_line_is_split_into_commands_and_words() {
    let found =
        commands("PGPORT=5433 provision db load --prod && make db-load ARGS=\"--kill idle\"; ls # make nothing");
    let expected: [&[&str]; 3] =
        [&["provision", "db", "load", "--prod"], &["make", "db-load", "ARGS=--kill idle"], &["ls"]];
    assert_eq!(found, expected);
}
