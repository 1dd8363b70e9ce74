//! Who is asking: credentials to tenants.
