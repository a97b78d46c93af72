using Fairlead.Net.Linux;

namespace Fairlead.Balancer.Programs;

/// <summary>A device that the balancer works on, and how the program runs there; None: it is gone for now.</summary>
public sealed record XdpDevice(string Name, XdpAttachment Attachment);

/// <summary>
/// Which devices run the program. A link of ours is given the new program without a packet in between; another
/// program is respected: it stays, and the operator is told.
/// </summary>
public sealed class XdpDevices(PinFolder pins, Action<string> onFault) : IDisposable
{
    private readonly RouteNetlink kernel = new();

    /// <summary>What was told of a device, so that it is told once.</summary>
    private readonly Dictionary<string, string> told = [];

    /// <summary>The device that each link was made for; a device of the same name may be another one later.</summary>
    private readonly Dictionary<string, uint> attached = [];

    /// <summary>Attaches the program to these devices, and takes it from all others.</summary>
    public void Attach(IReadOnlyList<string> devices, BpfObject program)
    {
        foreach (string gone in pins.Devices.Except(devices).ToList()) pins.RemoveLink(gone);
        foreach (string device in devices) Attach(device, program);
    }

    /// <summary>
    /// Devices that went and came back get the program again. What cannot be is told once, and tried again the next
    /// time.
    /// </summary>
    public void Tend(IReadOnlyList<string> devices, BpfObject program)
    {
        foreach (string device in devices)
        {
            uint index = Libc.InterfaceIndex(device);
            if (index != 0 && attached.GetValueOrDefault(device) == index) continue;
            try
            {
                Attach(device, program);
                if (told.Remove(device)) onFault($"{device} is back, and balanced again");
            }
            catch (IOException fault)
            {
                attached.Remove(device);
                if (told.GetValueOrDefault(device) == fault.Message) continue;
                told[device] = fault.Message;
                onFault(fault.Message);
            }
        }
    }

    /// <summary>Has all that are there run another program; those that are gone get it when they are back.</summary>
    public void Exchange(IReadOnlyList<string> devices, BpfObject program)
    {
        attached.Clear();
        Tend(devices, program);
    }

    /// <summary>How the program runs on each of these, as the kernel says it.</summary>
    public IReadOnlyList<XdpDevice> Read(IReadOnlyList<string> devices)
    {
        var links = kernel.Links().ToDictionary(link => link.Name, link => link.Xdp);
        return [.. devices.Select(device => new XdpDevice(device, links.GetValueOrDefault(device)))];
    }

    public void Dispose() => kernel.Dispose();

    private void Attach(string device, BpfObject program)
    {
        uint index = Libc.InterfaceIndex(device);
        if (index == 0) throw new IOException($"there is no device {device}: see `ip link`");
        using BpfObject? pinned = pins.Link(device);
        if (pinned is not null && DeviceOf(pinned) == index)
        {
            if (PinFolder.ProgramOf(pinned) != PinFolder.IdOf(program)) pinned.Exchange(program);
        }
        else
        {
            // A device of this name that came later, after the one of the link had gone.
            if (pinned is not null) pins.RemoveLink(device);
            using BpfObject link = New(device, index, program);
            pins.PinLink(device, link);
        }

        attached[device] = index;
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
                $"{device}: its driver does not take XDP (errno {native}): the generic way is slower");
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
