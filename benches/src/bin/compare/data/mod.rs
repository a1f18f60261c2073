//! The data of a comparison: the machine, the file of figures, the figures by row, and figures as text.

pub(crate) mod figures;
pub(crate) mod format;
pub(crate) mod machine;
pub(crate) mod records;
