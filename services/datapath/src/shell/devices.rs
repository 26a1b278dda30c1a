//! What the kernel says of a device.

use futures_util::TryStreamExt;
use netlink_packet_route::link::LinkAttribute;
use rtnetlink::Handle;

/// Its number and the size of its largest packet; `None` if there is no such device.
pub(crate) async fn look(handle: &Handle, name: &str) -> Option<(u32, u32)> {
    let link = handle.link().get().match_name(name.to_owned()).execute().try_next().await.ok()??;
    let mtu = link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Mtu(bytes) => Some(*bytes),
        _ => None,
    });
    Some((link.header.index, mtu?))
}
