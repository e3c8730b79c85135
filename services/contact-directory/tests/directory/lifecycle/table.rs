//! The table as it is written.

/// What a channel was before.
pub const OLD_STATES: [&str; 4] = ["NOT_SET", "GRANTED", "DENIED", "EXPIRED"];

const TEXT: &str = include_str!("table.txt");

struct Row {
    event: &'static str,
    role: &'static str,
    cells: [String; 4],
}

/// Its rows, one for each event and role.
pub struct Table(Vec<Row>);

impl Table {
    pub fn read() -> Self {
        let mut rows = Vec::new();
        let mut events: Vec<&'static str> = Vec::new();
        let lines = TEXT.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        for line in lines {
            if let Some(names) = line.strip_prefix('[') {
                events = names.trim_end_matches(']').split("; ").collect();
                continue;
            }
            let (roles, cells) = line.split_once('|').expect(line);
            let cells: Vec<_> = cells.split('|').map(words).collect();
            let cells: [String; 4] = cells.try_into().expect(line);
            if roles.trim().is_empty() {
                assert_eq!(cells, OLD_STATES, "the states stand above every event");
                continue;
            }
            for event in &events {
                for role in roles.split_whitespace() {
                    rows.push(Row { event, role, cells: cells.clone() });
                }
            }
        }
        Self(rows)
    }

    /// What is written of it: one cell.
    pub fn cells(&self, event: &str, role: &str, old: &str) -> Vec<&str> {
        let at = OLD_STATES.iter().position(|state| *state == old).unwrap();
        let of = self.0.iter().filter(|row| row.event == event && row.role == role);
        of.map(|row| &*row.cells[at]).filter(|cell| !cell.is_empty()).collect()
    }

    pub fn rows(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.0.iter().map(|row| (row.event, row.role))
    }
}

fn words(cell: &str) -> String {
    cell.split_whitespace().collect::<Vec<_>>().join(" ")
}
