"""The shell: settings, logs, servers, composition."""
