//! The connection to `reef.db` and its transactions.

/// The connection to `reef.db`. Each method is atomic by itself; several go into [`Db::atomically`].
#[derive(Debug)]
pub struct Db(());

impl Db {
    /// `BEGIN IMMEDIATE` .. `COMMIT` around `f`; an `Err` rolls everything back. A call inside another is a part
    /// of the outer one, and if it fails, only its own part is undone.
    pub fn atomically<T>(
        &mut self,
        _f: impl FnOnce(&mut Self) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        todo!()
    }
}
