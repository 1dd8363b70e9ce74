//! HTTP: the app listener and the admin listener.
