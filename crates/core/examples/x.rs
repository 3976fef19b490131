use slotwright_core::explain::{Paste, explain};
fn main() {
    let pastes: Vec<Paste> = std::env::args()
        .skip(1)
        .map(|p| {
            let t = std::fs::read_to_string(&p).unwrap();
            let text =
                if t.starts_with("#expect") { t.split_once('\n').unwrap().1.to_owned() } else { t };
            Paste { name: p.rsplit('/').next().unwrap().to_owned(), text }
        })
        .collect();
    let e = explain(&pastes);
    if let Some(c) = &e.cause {
        println!("{:?} {} | {}\n  {}\n", c.confidence, c.code, c.title, c.cause);
        for q in &c.quotes {
            println!("  proof {}:{}: {}", q.paste, q.line, q.text);
        }
        println!("  check {}", c.check);
        for f in &c.fix {
            println!("  fix   {f}");
        }
        for f in &c.never {
            println!("  never {f}");
        }
    }
    println!("health {}", e.health);
    for a in &e.alternatives {
        println!("  alt {} {}", a.code, a.title);
    }
    println!("unread {:?} ask {:?}", e.unread, e.ask_for);
}
