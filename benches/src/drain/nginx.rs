//! nginx in front of two nodes, of which the second takes over when the first one is gone.

use std::env;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal};

const CONFIG: &str = "\
daemon off;
pid FOLDER/pid;
error_log FOLDER/error.log;
worker_processes 2;
events { worker_connections 16384; }
http {
    access_log off;
    client_body_temp_path FOLDER/body;
    proxy_temp_path FOLDER/proxy;
    fastcgi_temp_path FOLDER/fastcgi;
    uwsgi_temp_path FOLDER/uwsgi;
    scgi_temp_path FOLDER/scgi;
    upstream nodes {
        server 127.0.0.1:OLD;
        server 127.0.0.1:NEW backup;
    }
    server {
        listen 127.0.0.1:PORT reuseport backlog=4096;
        location / {
            proxy_pass http://nodes;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection upgrade;
        }
    }
}
";

pub(super) struct Nginx {
    child: Child,
    folder: PathBuf,
}

impl Nginx {
    pub(super) fn start(port: u16, old: u16, new: u16) -> io::Result<Self> {
        let folder = env::temp_dir().join(format!("ws-core-drain-{port}"));
        fs::create_dir_all(&folder)?;
        let config = CONFIG
            .replace("FOLDER", &folder.to_string_lossy())
            .replace("PORT", &port.to_string())
            .replace("OLD", &old.to_string())
            .replace("NEW", &new.to_string());
        let path = folder.join("config");
        fs::write(&path, config)?;
        let mut command = Command::new("nginx");
        command.env("PATH", env::var("PATH").unwrap_or_default() + ":/usr/sbin").arg("-c").arg(path);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self { child: command.spawn()?, folder })
    }

    /// Returns the pids of the worker processes.
    pub(super) fn workers(&self) -> io::Result<Vec<u32>> {
        let pid = self.child.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
        Ok(children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect())
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // SIGTERM also ends the workers.
        let _ = rustix::process::kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
