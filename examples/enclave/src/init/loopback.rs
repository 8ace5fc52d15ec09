//! The loopback interface, up, by one message to the kernel's routing socket (rtnetlink(7)).
//!
//! ```text
//!  0  length u32 = 40 │ type u16 = RTM_NEWLINK │ flags u16 = REQUEST│ACK │ sequence u32 │ port u32 = 0
//! 16  family u8 = 0 │ 0 │ type u16 = 0 │ index i32 = 0 │ flags u32 = IFF_UP │ change u32 = IFF_UP
//! 32  length u16 = 7 │ type u16 = IFLA_IFNAME │ "lo" 0 │ 0
//! ```
//!
//! Numbers are in the machine's own byte order. The kernel answers with an `NLMSG_ERROR` whose error is 0.

use std::time::Duration;

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with};

use crate::init::InitError;

/// Brings loopback up; it may be up already.
pub(super) fn bring_up() -> Result<(), InitError> {
    let failed = |error| InitError::Loopback { interface: LOOPBACK, error };
    let mut answer = [0; MAX_ANSWER_LEN];
    let len = exchange(&set_up_request(LOOPBACK), &mut answer).map_err(failed)?;
    match error_in(&answer[..len]) {
        Some(0) => Ok(()),
        Some(error) => Err(failed(Errno::from_raw_os_error(error.saturating_neg()))),
        None => Err(InitError::LoopbackAnswer { interface: LOOPBACK, len }),
    }
}

/// Sends one request to the kernel and receives one answer.
fn exchange(request: &[u8], answer: &mut [u8]) -> Result<usize, Errno> {
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    set_socket_timeout(&socket, Timeout::Recv, Some(DEADLINE))?;
    sendto(&socket, request, SendFlags::empty(), &SocketAddrNetlink::new(KERNEL, 0))?;
    let (len, _) = recv(&socket, answer, RecvFlags::empty())?;
    Ok(len)
}

/// The message that sets the interface's flag "up". The kernel finds it by its name, since the index is 0.
fn set_up_request(interface: &str) -> Vec<u8> {
    let attribute_len = 4 + interface.len() + 1;
    let len = 32 + attribute_len.next_multiple_of(4);
    let mut message = Vec::with_capacity(len);
    message.extend(u32_of(len).to_ne_bytes());
    message.extend(RTM_NEWLINK.to_ne_bytes());
    message.extend((NLM_F_REQUEST | NLM_F_ACK).to_ne_bytes());
    message.extend(SEQUENCE.to_ne_bytes());
    message.extend([0; 12]); // port; family, type and index
    message.extend(IFF_UP.to_ne_bytes());
    message.extend(IFF_UP.to_ne_bytes());
    message.extend(u16::try_from(attribute_len).expect("an interface's name has at most 15 bytes").to_ne_bytes());
    message.extend(IFLA_IFNAME.to_ne_bytes());
    message.extend(interface.as_bytes());
    message.resize(len, 0);
    message
}

fn u32_of(len: usize) -> u32 {
    u32::try_from(len).expect("an interface's name has at most 15 bytes")
}

/// The error number in an `NLMSG_ERROR` that answers our request: 0 for success, negative otherwise.
fn error_in(answer: &[u8]) -> Option<i32> {
    let kind = u16::from_ne_bytes(*answer.get(4..)?.first_chunk()?);
    let sequence = u32::from_ne_bytes(*answer.get(8..)?.first_chunk()?);
    let error = i32::from_ne_bytes(*answer.get(16..)?.first_chunk()?);
    (kind == NLMSG_ERROR && sequence == SEQUENCE).then_some(error)
}

const LOOPBACK: &str = "lo";
/// The kernel answers before it returns from the request, so this is never waited for.
const DEADLINE: Duration = Duration::from_secs(1);
/// An error's message repeats the request.
const MAX_ANSWER_LEN: usize = 256;
const SEQUENCE: u32 = 1;
/// The port of the kernel's end.
const KERNEL: u32 = 0;

// linux/netlink.h, linux/rtnetlink.h, linux/if_link.h, linux/if.h.
const NLMSG_ERROR: u16 = 2;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const RTM_NEWLINK: u16 = 16;
const IFLA_IFNAME: u16 = 3;
const IFF_UP: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn the_request_is_the_message_drawn_above() {
        let expected = "28000000 1000 0500 01000000 00000000 \
            00 00 0000 00000000 01000000 01000000 \
            0700 0300 6c6f00 00";
        let expected: Vec<u8> = hex(expected);
        assert_eq!(set_up_request("lo"), expected);
    }

    #[test]
    fn the_kernel_understands_the_request_and_knows_no_such_interface() {
        let mut answer = [0; MAX_ANSWER_LEN];
        let len = exchange(&set_up_request("no-such-link-0"), &mut answer).unwrap();
        // Who is not root is not told whether it exists.
        let error = Errno::from_raw_os_error(-error_in(&answer[..len]).unwrap());
        assert!([Errno::NODEV, Errno::PERM].contains(&error), "{error}");
    }

    #[test]
    fn an_answer_to_something_else_is_no_answer() {
        let mut answer = set_up_request("lo");
        assert_eq!(error_in(&answer), None, "not an error message");
        answer[4..6].copy_from_slice(&NLMSG_ERROR.to_ne_bytes());
        answer[16..20].copy_from_slice(&(-1_i32).to_ne_bytes());
        assert_eq!(error_in(&answer), Some(-1));
        assert_eq!(error_in(&answer[..19]), None, "cut short");
        answer[8..12].copy_from_slice(&(SEQUENCE + 1).to_ne_bytes());
        assert_eq!(error_in(&answer), None, "another sequence number");
    }

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16).unwrap()).unwrap();
        digits.chunks(2).map(|pair| 16 * digit(pair[0]) + digit(pair[1])).collect()
    }
}
