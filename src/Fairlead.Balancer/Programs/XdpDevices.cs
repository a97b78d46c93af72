using Fairlead.Net.Linux;

namespace Fairlead.Balancer.Programs;

/// <summary>
/// Which devices run the program. A link of ours is given the new program without a packet in between; another
/// program is respected: it stays, and the operator is told.
/// </summary>
public sealed class XdpDevices(PinFolder pins, Action<string> onFault)
{
    /// <summary>Attaches the program to these devices, and takes it from all others.</summary>
    public void Attach(IReadOnlyList<string> devices, BpfObject program)
    {
        foreach (string gone in pins.Devices.Except(devices).ToList()) pins.RemoveLink(gone);
        foreach (string device in devices)
        {
            uint index = Libc.InterfaceIndex(device);
            if (index == 0) throw new IOException($"there is no device {device}: see `ip link`");
            using BpfObject? pinned = pins.Link(device);
            if (pinned is not null && DeviceOf(pinned) == index)
            {
                if (PinFolder.ProgramOf(pinned) != PinFolder.IdOf(program)) pinned.Exchange(program);
                continue;
            }

            // A device of this name that came later, after the one of the link had gone.
            if (pinned is not null) pins.RemoveLink(device);
            using BpfObject link = New(device, index, program);
            pins.PinLink(device, link);
        }
    }

    private BpfObject New(string device, uint index, BpfObject program)
    {
        (BpfObject? link, int error) = program.AttachXdp(index, Libc.XDP_FLAGS_DRV_MODE);
        if (link is not null) return link;
        if (error is Libc.EBUSY or Libc.EEXIST) throw Taken(device);
        int native = error;
        (link, error) = program.AttachXdp(index, Libc.XDP_FLAGS_SKB_MODE);
        if (link is not null)
        {
            onFault(
                $"{device}: its driver does not take XDP (errno {native}): the generic way is several times slower");
            return link;
        }

        throw error is Libc.EBUSY or Libc.EEXIST ? Taken(device) : new IOException($"{device}: no XDP: errno {error}");
    }

    private static IOException Taken(string device) => new(
        $"{device} runs another XDP program (`ip link show {device}` names it): it stays. "
        + $"Take it off (ip link set dev {device} xdp off) or leave the device out");

    // struct bpf_link_info: type, id, program id, padding, then what is the kind's own: for XDP the device.
    private static uint DeviceOf(BpfObject link)
    {
        Span<byte> info = stackalloc byte[64];
        link.Describe(info);
        return System.Runtime.InteropServices.MemoryMarshal.Read<uint>(info[16..]);
    }
}
