using System.Net;
using System.Runtime.InteropServices;
using Fairlead.Balancer.Maps;

namespace Fairlead.Balancer;

/// <summary>
/// Which packets somebody watches: those for an address, a port and a protocol (null and 0: any), one in so many of
/// them by chance, and how much of each.
/// </summary>
public sealed record TapFilter
{
    public IPAddress? Address { get; init; }

    public ushort Port { get; init; }

    /// <summary>6 or 17.</summary>
    public byte Protocol { get; init; }

    public int OneIn { get; init; } = 1;

    /// <summary>The first bytes of the frame, at most Layout.Snap; 0: none of them.</summary>
    public int SnapBytes { get; init; }
}

/// <summary>What the program did with a packet.</summary>
public enum PacketVerdict
{
    Forwarded,
    Passed,
    Dropped,
    Answered,
}

/// <summary>A packet that is watched: as it came in, and what was decided.</summary>
public sealed record TappedPacket
{
    /// <summary>Nanoseconds since 1970.</summary>
    public required long At { get; init; }

    /// <summary>The number of the device that it came in by.</summary>
    public required uint Device { get; init; }

    /// <summary>Of the whole frame.</summary>
    public required int Length { get; init; }

    /// <summary>The frame's first bytes.</summary>
    public required ReadOnlyMemory<byte> Frame { get; init; }

    /// <summary>
    /// As its client sends it; for an ICMP error the flow that it is about. Null: no IP packet that could be read.
    /// </summary>
    public Flow? Flow { get; init; }

    public bool IsError { get; init; }

    /// <summary>One that has no ports: the flow's are 0.</summary>
    public bool IsLaterFragment { get; init; }

    public required PacketReason Reason { get; init; }

    /// <summary>Why this backend; Forwarded stands for the slot's owner.</summary>
    public PacketReason How { get; init; }

    public SlotState State { get; init; }

    public string? Service { get; init; }

    /// <summary>Null: no slot was looked at.</summary>
    public int? Slot { get; init; }

    /// <summary>Who got it, or who would have: null: nobody.</summary>
    public IPAddress? Backend { get; init; }

    public PacketVerdict Verdict => Reason switch
    {
        PacketReason.Forwarded => PacketVerdict.Forwarded,
        < PacketReason.NoBackend => PacketVerdict.Passed,
        < PacketReason.TooBigAnswered => PacketVerdict.Dropped,
        _ => PacketVerdict.Answered,
    };

    /// <summary>
    /// From a record of the ring (struct fl_event and the frame). `services` names the service of a flow, `epoch` is
    /// what the monotonic clock's zero is in nanoseconds since 1970. Null: it is shorter than it says.
    /// </summary>
    public static TappedPacket? Read(
        ReadOnlySpan<byte> record, long epoch, FlowHash key, Func<VipPort, ServiceEntry?> services)
    {
        if (record.Length < Marshal.SizeOf<FlEvent>()) return null;
        FlEvent told = MemoryMarshal.Read<FlEvent>(record);
        ReadOnlySpan<byte> frame = record[Marshal.SizeOf<FlEvent>()..];
        if (told.Captured > frame.Length) return null;
        Flow? flow = FlowOf(told);
        ServiceEntry? service = flow is { } known
            ? services(new VipPort(known.To.Address, known.Protocol, (ushort)known.To.Port)) : null;
        var how = (PacketReason)told.How;
        bool hasSlot = service is not null && how is not (PacketReason.ByFragment or PacketReason.ByQuicId)
            && (PacketReason)told.Reason is PacketReason.Forwarded or >= PacketReason.NoBackend;
        return new TappedPacket
        {
            At = epoch + (long)told.At,
            Device = told.Device,
            Length = (int)told.Length,
            Frame = frame[..(int)told.Captured].ToArray(),
            Flow = flow,
            IsError = told.IsError != 0,
            IsLaterFragment = told.Fragment == 2,
            Reason = (PacketReason)told.Reason,
            How = how,
            State = (SlotState)told.State,
            Service = service?.Name,
            Slot = hasSlot ? FlowHash.Slot(key.PlaceOf(flow!.Value, service!.IsSticky), service.Slots) : null,
            Backend = told.BackendFamily == 0
                ? null
                : new IPAddress(((ReadOnlySpan<byte>)told.ToBackend)[..(told.BackendFamily == 4 ? 4 : 16)]),
        };
    }

    private static Flow? FlowOf(FlEvent told)
    {
        if (told.Family == 0 || (told.To0 | told.To1) == 0) return null;
        return new Flow(
            new IPEndPoint(BackendRow.Address(told.From0, told.From1), IPAddress.NetworkToHostOrder((short)told.Ports)
                & ushort.MaxValue),
            new IPEndPoint(BackendRow.Address(told.To0, told.To1),
                IPAddress.NetworkToHostOrder((short)(told.Ports >> 16)) & ushort.MaxValue),
            (byte)told.Protocol);
    }
}
