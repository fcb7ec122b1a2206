"""Somebody is told: each change of a device's state, by mail, chat, webhook ... (NOTIFY_URLS)."""
