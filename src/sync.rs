//! One full sync: plan, page, translate, seal.
