use super::*;

fn files(files: &[(&str, &str)]) -> Files {
    files.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect()
}

/// The arrows of a crate `house`, each as `from -> to`.
fn arrows(of: &[(&str, &str)]) -> Vec<String> {
    let arrows = Arrows::of("house", &files(of)).expect("readable");
    arrows.names.keys().map(|(from, to)| format!("{from} -> {to}")).collect()
}

fn circles(of: &[(&str, &str)]) -> Vec<Vec<String>> {
    let circles = Arrows::of("house", &files(of)).expect("readable").circles();
    circles.into_iter().map(|circle| circle.files.into_iter().collect()).collect()
}

const NONE: [&str; 0] = [];

#[test]
fn a_tree_has_no_circle() {
    let house = [
        ("lib.rs", "pub mod top; mod leaf; mod other;"),
        ("top.rs", "use crate::{leaf::Leaf, other}; fn top() -> Leaf { other::other(Leaf) }"),
        ("other.rs", "use super::leaf::Leaf; pub fn other(leaf: Leaf) -> Leaf { leaf }"),
        ("leaf.rs", "pub struct Leaf;"),
    ];
    assert_eq!(arrows(&house), ["other.rs -> leaf.rs", "top.rs -> leaf.rs", "top.rs -> other.rs"]);
    assert!(circles(&house).is_empty());
}

#[test]
fn a_circle_through_super() {
    let house = [
        ("lib.rs", "mod parent;"),
        ("parent.rs", "mod child; use child::work; pub struct Error; fn run() { work(); }"),
        ("parent/child.rs", "use super::Error; pub fn work() -> Result<(), Error> { Ok(()) }"),
    ];
    assert_eq!(circles(&house), [["parent.rs", "parent/child.rs"]]);
}

#[test]
fn a_circle_through_an_inline_path() {
    let house = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "pub fn a() { crate::b::b() }"),
        ("b.rs", "use crate::a; pub fn b() { a::a() }"),
    ];
    assert_eq!(circles(&house), [["a.rs", "b.rs"]]);
}

/// `front` only passes on what `inner` defines: the circle is between the files that do the work.
#[test]
fn a_circle_through_a_reexport() {
    let house = [
        ("lib.rs", "mod front; mod user;"),
        ("front/mod.rs", "mod inner; pub use self::inner::Thing as Renamed;"),
        ("front/inner.rs", "pub struct Thing; fn f() { crate::user::user() }"),
        ("user.rs", "use crate::front::Renamed; pub fn user() { let _ = Renamed; }"),
    ];
    assert_eq!(circles(&house), [["front/inner.rs", "user.rs"]]);
    assert_eq!(arrows(&house), ["front/inner.rs -> user.rs", "user.rs -> front/inner.rs"]);
}

#[test]
fn a_circle_of_three_is_one_circle_with_its_arrows() {
    let house = files(&[
        ("lib.rs", "mod a; mod b; mod c; mod aside;"),
        ("a.rs", "pub struct A(crate::b::B);"),
        ("b.rs", "pub struct B(crate::c::C);"),
        ("c.rs", "pub struct C(Box<crate::a::A>); use crate::aside::Aside;"),
        ("aside.rs", "pub struct Aside;"),
    ]);
    let circles = Arrows::of("house", &house).expect("readable").circles();
    let expected = "circle of 3 files\n    a.rs -> b.rs: crate::b::B\n    b.rs -> c.rs: crate::c::C\n    \
                    c.rs -> a.rs: crate::a::A\n";
    assert_eq!(circles.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
}

/// What one file has in each line leads to `leaf.rs`, or nowhere.
#[test]
fn where_names_are_found() {
    for (text, leads_there) in [
        ("use crate::leaf::Leaf;", true),
        ("use crate::leaf::{self, Leaf as Other};", true),
        ("use crate::leaf::Trait as _;", true),
        ("pub use crate::leaf::Trait;", true),
        ("fn f() { use crate::leaf::Leaf; }", true),
        ("fn f(_: super::leaf::Leaf) {}", true),
        ("impl crate::leaf::Trait for u8 {}", true),
        ("fn f() { println!(\"{}\", crate::leaf::NUMBER); }", true),
        ("fn f() { crate::leaf::make!(); }", true),
        ("#[serde(with = \"crate::leaf::Leaf\")] struct S;", true),
        ("#[derive(crate::leaf::Leaf)] struct S;", true),
        ("pub use crate::leaf::Leaf; fn f(_: Leaf) {}", true),
        ("pub(super) use crate::leaf::*; fn f(_: Leaf) {}", true),
        ("mod inline { fn f(_: super::super::leaf::Leaf) {} }", true),
        ("fn f(x: u8) { match x { crate::leaf::NUMBER => {} _ => {} } }", true),
        ("fn f() { crate::leaf::of_macro(); }", true),
        ("fn f() { let _ = crate::leaf::Leaf { r#type: 1 }; }", true),
        ("use crate::leaf;", false),
        ("pub use crate::leaf::Leaf;", false),
        ("//! [`crate::leaf::Leaf`]\n/// [`crate::leaf::Leaf`]\nfn f() {}", false),
        ("pub(in crate::room) fn f() {}", false),
        ("#[cfg(test)] mod tests { use crate::leaf::Leaf; }", false),
        ("#[cfg(all(test, unix))] use crate::leaf::Leaf;", false),
        ("#[cfg(any(test, unix))] use crate::leaf::Leaf;", true),
        ("struct S; impl S { #[cfg(test)] fn f(_: crate::leaf::Leaf) {} }", false),
        ("#[test] fn f() { crate::leaf::Leaf; }", false),
        ("use leaf::Leaf;", false),
        ("use ::leaf::Leaf;", false),
        ("fn f(leaf: std::leaf::Leaf) { leaf.of_macro(); }", false),
        ("fn f() { println!(\"{}\", self.leaf::Leaf); }", false),
    ] {
        let house = [
            ("lib.rs", "mod room; mod leaf;"),
            ("room.rs", text),
            (
                "leaf.rs",
                "pub struct Leaf { r#type: u8 } pub trait Trait {} pub const NUMBER: u8 = 1; \
                 macro_rules! make { () => { pub fn of_macro() {} } } pub(crate) use make; make!();",
            ),
        ];
        let expected: &[&str] = if leads_there { &["room.rs -> leaf.rs"] } else { &NONE };
        assert_eq!(arrows(&house), expected, "{text}");
    }
}

#[test]
fn a_name_means_a_module_or_a_function_by_its_place() {
    let house = [
        ("lib.rs", "mod a; mod user;"),
        ("a/mod.rs", "mod token; mod other; pub use self::other::token; pub use self::token::Token;"),
        ("a/token.rs", "pub struct Token;"),
        ("a/other.rs", "pub fn token() {}"),
        ("user.rs", "use crate::a::token; fn f() { token(); }"),
    ];
    assert_eq!(arrows(&house), ["user.rs -> a/other.rs"]);
}

#[test]
fn macros_are_known_below_where_they_are_defined() {
    let house = [
        ("lib.rs", "#[macro_use] mod macros; mod a;"),
        ("macros.rs", ""),
        ("a.rs", "macro_rules! entry { ($x:expr) => { $x } } mod b;"),
        ("a/b.rs", "fn f() { entry!(1) }"),
    ];
    assert_eq!(arrows(&house), ["a/b.rs -> a.rs"]);
}

/// A name that another crate defines is had from the file that imports it.
#[test]
fn a_foreign_name_comes_from_who_passes_it_on() {
    let house = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "pub use serde::Serialize;"),
        ("b.rs", "use crate::a::Serialize; fn f<T: Serialize>() {}"),
    ];
    assert_eq!(arrows(&house), ["b.rs -> a.rs"]);
}

#[test]
fn a_program_beside_the_library_knows_it_by_its_name() {
    let house = [
        ("lib.rs", "pub mod run;"),
        ("main.rs", "fn main() { house::run::run() }"),
        ("run.rs", "pub fn run() {}"),
        ("second.rs", "use house::run; fn main() { run::run() }"),
    ];
    assert_eq!(arrows(&house), ["main.rs -> run.rs", "second.rs -> run.rs"]);
    let arrows = Arrows::of("house", &files(&house)).expect("readable");
    assert_eq!(arrows.roots.into_iter().collect::<Vec<_>>(), ["lib.rs", "main.rs", "second.rs"]);
}

#[test]
fn files_of_tests_are_left_out() {
    let house = files(&[
        ("lib.rs", "mod a; #[cfg(test)] mod testing;"),
        ("a.rs", "#[cfg(test)] mod tests;"),
        ("a/tests.rs", "use super::super::testing;"),
        ("a/tests/more.rs", ""),
        ("testing.rs", "use crate::a::gone;"),
    ]);
    let arrows = Arrows::of("house", &house).expect("readable");
    assert_eq!(arrows.files.into_iter().collect::<Vec<_>>(), ["a.rs", "lib.rs"]);
}

/// Better no answer than a wrong one.
#[test]
fn what_cannot_be_followed_is_an_error() {
    for (text, expected) in [
        ("use crate::gone::Gone;", "lib.rs: `crate::gone::Gone` leads to no definition"),
        ("fn f() { self::gone() }", "lib.rs: `self::gone` leads to no definition"),
        ("use super::gone;", "lib.rs: `super::gone` leads to no definition"),
        ("mod gone;", "lib.rs: there is no file for `mod gone;`"),
        ("#[path = \"a.rs\"] mod gone;", "lib.rs: `mod gone;` has a path attribute, which is not followed"),
        ("fn fn", "lib.rs: expected identifier, found keyword `fn`"),
    ] {
        let error = Arrows::of("house", &files(&[("lib.rs", text)])).expect_err(text);
        assert_eq!(error.to_string(), expected);
    }
}

const DOCUMENT: &str = "# House\n\n```text\nrooms of other\nx\n```\n\n```text\nrooms of house\n\
                        kitchen bath  for guests\nhall/door\nhall\ncellar\n```\n";

fn upward(of: &[(&str, &str)]) -> Vec<String> {
    let arrows = Arrows::of("house", &files(of)).expect("readable");
    let order = Order::from_document(DOCUMENT, "house").expect("an order");
    order.upward(&arrows).iter().map(ToString::to_string).collect()
}

#[test]
fn names_come_from_further_down() {
    let house = |kitchen, bath, door, hall, cellar| {
        [
            (
                "main.rs",
                "mod kitchen; mod bath; mod hall; mod cellar; pub struct Root; fn f() { kitchen::f() }",
            ),
            ("kitchen.rs", kitchen),
            ("bath.rs", bath),
            ("hall/mod.rs", hall),
            ("hall/door.rs", door),
            ("cellar.rs", cellar),
        ]
    };
    let hall = "pub mod door; pub fn f() {}";
    let f = "pub fn f() {}";
    assert_eq!(upward(&house("pub fn f() { crate::hall::f() }", f, f, hall, f)), NONE);
    assert_eq!(upward(&house(f, f, "pub fn f() { super::f(); crate::cellar::f() }", hall, f)), NONE);
    let below = "pub fn f() { crate::kitchen::f() }";
    assert_eq!(
        upward(&house(f, f, f, hall, below)),
        ["cellar.rs takes from further up, kitchen.rs: crate::kitchen::f"]
    );
    assert_eq!(
        upward(&house(f, below, f, hall, f)),
        ["bath.rs takes from further up, kitchen.rs: crate::kitchen::f"]
    );
    assert_eq!(
        upward(&house(f, f, f, "pub mod door; pub fn f() { door::f() }", f)),
        ["hall/mod.rs takes from further up, hall/door.rs: door::f"]
    );
    assert_eq!(
        upward(&house("pub fn f(_: crate::Root) {}", f, f, hall, f)),
        ["kitchen.rs takes from further up, main.rs: crate::Root"]
    );
}

#[test]
fn every_room_is_listed_and_there() {
    let house = files(&[
        ("main.rs", "mod kitchen; mod attic; mod hall;"),
        ("kitchen.rs", ""),
        ("attic.rs", ""),
        ("hall/mod.rs", "mod door;"),
        ("hall/door.rs", ""),
    ]);
    let arrows = Arrows::of("house", &house).expect("readable");
    let order = Order::from_document(DOCUMENT, "house").expect("an order");
    assert_eq!(order.homeless(&arrows), ["attic.rs"]);
    assert_eq!(order.empty(&arrows), ["bath", "cellar"]);
    assert_eq!(Order::from_document(DOCUMENT, "unknown"), None);
}

#[test]
fn an_order_is_suggested_where_there_is_one() {
    let order = |a| {
        let house = files(&[
            ("lib.rs", "mod a; mod b; mod c;"),
            ("a.rs", a),
            ("b.rs", "pub struct B(crate::c::C);"),
            ("c.rs", "pub struct C;"),
        ]);
        let arrows = Arrows::of("house", &house).expect("readable");
        Order::suggested(&arrows).map(|order| order.to_string())
    };
    assert_eq!(order("use crate::b::B;").as_deref(), Some("a\nb\nc\n"));
    assert_eq!(order("pub struct A;").as_deref(), Some("a b\nc\n"));
}
