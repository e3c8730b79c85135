use std::collections::HashSet;

use yinyom_privacy::Personal;

#[test]
fn what_is_personal_never_prints() {
    let name = Personal::<String>::from("สมชาย");
    assert_eq!(
        format!("{name} {name:?} {name:#?} {name:>20}"),
        "[personal] [personal] [personal] [personal]"
    );
    assert_eq!(format!("{:?}", Some(Personal::new(vec![1u8, 2]))), "Some([personal])");
}

#[test]
fn what_is_personal_can_be_compared_and_taken_out() {
    let (a, b) = (Personal::new("a".to_owned()), Personal::new("b".to_owned()));
    assert_ne!(a, b);
    assert_eq!(a, a.clone());
    assert_eq!(HashSet::from([a.clone(), a.clone(), b]).len(), 2);
    assert_eq!(a.expose(), "a");
    assert_eq!(a.into_inner(), "a");
}
