//! What collectors are told, from an ordinary socket.
//!
//! *Does*: hand messages to the kernel, some at a time.
//! *Never does*: wait for a collector, or hear one: nothing that comes to its sockets gets in.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
};

use patronus_datapath::{
    ipfix::{Counts, Exporter, Interfaces, Key, Moment, Reason},
    limit,
};
use patronus_ebpf_abi::{
    Flow, FlowKey,
    six::{Flow6, FlowKey6},
};
use patronus_ebpf_core::answers;
use patronus_ipc::datapath;
use patronus_types::Ipfix;
use socket2::{Domain, SockFilter, Socket, Type};

use super::sys::Answers;

/// `BPF_RET | BPF_K` of `linux/filter.h`: of what comes, keep so many bytes.
const KEEP: u16 = 0x06;

/// The export, if the document has one.
#[derive(Debug, Default)]
pub(crate) struct Export(Option<Running>);

#[derive(Debug)]
struct Running {
    settings: Ipfix,
    exporter: Exporter,
    v4: Option<UdpSocket>,
    v6: Option<UdpSocket>,
    messages: u64,
    send_errors: u64,
    /// Said in the log, until it is another.
    last_error: Option<io::ErrorKind>,
}

impl Export {
    /// As the document says from now on. Other settings are another beginning.
    pub(crate) fn follow(&mut self, settings: Option<&Ipfix>, now: Moment) {
        if self.0.as_ref().map(|running| &running.settings) != settings {
            self.0 = settings.map(|settings| Running::new(settings, now));
        }
    }

    pub(crate) fn begin(&mut self, now: Moment, interfaces: Interfaces) {
        if let Some(running) = &mut self.0 {
            running.exporter.begin(now, interfaces);
        }
    }

    /// What finished answers know is added only to a flow that is told of.
    pub(crate) fn four(&mut self, key: FlowKey, flow: Flow, end: Option<Reason>, answers: &Answers) {
        if let Some(running) = &mut self.0 {
            running.exporter.handle_flow(Key::Four(key), (&flow).into(), end, || {
                answers::count(&key, &flow, |place| answers.all_at(place));
                Counts::from(&flow)
            });
        }
    }

    pub(crate) fn six(&mut self, key: FlowKey6, flow: &Flow6, end: Option<Reason>) {
        if let Some(running) = &mut self.0 {
            running.exporter.handle_flow(Key::Six(key), flow.into(), end, || flow.into());
        }
    }

    pub(crate) fn finish(&mut self) {
        if let Some(running) = &mut self.0 {
            running.exporter.finish();
        }
    }

    pub(crate) fn has_messages(&self) -> bool {
        self.0.as_ref().is_some_and(|running| running.exporter.has_messages())
    }

    /// Some of what is there.
    pub(crate) fn send(&mut self) {
        let Some(running) = &mut self.0 else { return };
        for _ in 0..limit::MESSAGES_AT_ONCE {
            let Some(message) = running.exporter.poll_message() else { return };
            running.send(&message);
        }
    }

    pub(crate) fn state(&self) -> Option<datapath::Ipfix> {
        let running = self.0.as_ref()?;
        let told = running.exporter.told();
        Some(datapath::Ipfix {
            collectors: running.settings.collectors.clone(),
            messages: running.messages,
            records: told.records,
            send_errors: running.send_errors,
            not_told: told.not_told,
        })
    }
}

impl Running {
    fn new(settings: &Ipfix, now: Moment) -> Self {
        let exporter = Exporter::new(settings, now);
        let settings = settings.clone();
        Self { settings, exporter, v4: None, v6: None, messages: 0, send_errors: 0, last_error: None }
    }

    fn send(&mut self, message: &[u8]) {
        for collector in &self.settings.collectors {
            let socket = if collector.is_ipv4() { &mut self.v4 } else { &mut self.v6 };
            match send(socket, message, *collector) {
                Ok(()) => self.messages = self.messages.saturating_add(1),
                Err(error) => {
                    self.send_errors = self.send_errors.saturating_add(1);
                    if self.last_error.replace(error.kind()) != Some(error.kind()) {
                        tracing::warn!("collector {collector}: {error}");
                    }
                }
            }
        }
    }
}

/// Opens the socket if there is none yet. It has the same port for as long as it lasts: to a collector that is one session.
fn send(socket: &mut Option<UdpSocket>, message: &[u8], to: SocketAddr) -> io::Result<()> {
    let socket = match socket {
        Some(socket) => socket,
        None => socket.insert(open(to)?),
    };
    socket.send_to(message, to).map(|_| ())
}

/// Not connected, because the box's own address may change; so a filter keeps out what comes.
fn open(to: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(to), Type::DGRAM.nonblocking(), None)?;
    socket.attach_filter(&[SockFilter::new(KEEP, 0, 0, 0)])?;
    Ok(socket.into())
}
