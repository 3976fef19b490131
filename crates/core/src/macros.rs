//! The `finding!` macro. `macro_rules!`, so that no proc-macro crate is needed.

/// Declares the type of a finding and its row in the table.
///
/// The doc comment of the struct is the user's page: it has the headings *What it means*, *How it
/// comes about*, *What we look at*, *The repair*, *Repair safety*, *By hand*; `cargo xtask tidy`
/// checks that.
macro_rules! finding {
    (
        $(#[doc = $doc:literal])*
        pub struct $name:ident { $($field:ident : $type:ty),* $(,)? }
        group: $group:ident, severity: $severity:ident, after: [$($after:ident),* $(,)?],
        $(settles: $settles:literal,)? $(repair: [$($repair:ident),* $(,)?],)?
        $(obstacle: $obstacle:literal,)?
        since: $since:literal $(,)?
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug)]
        pub struct $name {
            $(
                #[doc = concat!("See [`", stringify!($name), "`].")]
                pub $field: $type,
            )*
        }

        /// The row of this finding in the table.
        pub static ENTRY: $crate::diagnose::Entry = $crate::diagnose::Entry {
            name: stringify!($name),
            group: $crate::diagnose::Group::$group,
            severity: $crate::diagnose::Severity::$severity,
            after: &[$(stringify!($after)),*],
            settles: finding!(@settles $($settles)?),
            repair: &[$($($crate::plan::Repair::$repair),*)?],
            obstacle: concat!("" $(, $obstacle)?),
            since: $since,
            doc: &[$($doc),*],
            detect: $crate::diagnose::run::<$name>,
            scenario: <$name as $crate::diagnose::Finding>::scenario,
        };
    };
    (@settles) => { false };
    (@settles $settles:literal) => { $settles };
}
