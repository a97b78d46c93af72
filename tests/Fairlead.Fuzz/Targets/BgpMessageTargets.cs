using System.Net;
using Fairlead.Bgp.Session;
using Fairlead.Bgp.Wire;
using Fairlead.Net.Addresses;
using Fairlead.Net.Wire;

namespace Fairlead.Fuzz.Targets;

/// <summary>The body of an OPEN: read, written, read again, and agreed on with options of several kinds.</summary>
public sealed class BgpOpenTarget : IFuzzTarget
{
    private static readonly PeerOptions[] Options = [.. MakeOptions()];

    public string Name => "bgp-open";

    public bool IsText => false;

    public int BytesMax => Message.SizeMax - Message.HeaderSize;

    public IReadOnlyList<byte[]> Tokens { get; } =
    [
        .. new[]
        {
            "010400010001", "010400020001", "0104000100ff", "0200", "0506000100010002", "0600", "090100", "090103",
            "4002007840060078000101804006c078000201004104fa56ea01", "4104fa56ea01", "410400000000", "4504000101034504",
            "450400010103", "4600", "470700010180000e10", "490400", "02", "0206", "ffff0009", "ff", "020006",
        }.Select(Convert.FromHexString),
    ];

    public int Run(ReadOnlySpan<byte> input)
    {
        OpenMessage? open = OpenMessage.TryRead(input, out Notification? fault);
        BrokenPromiseException.Unless(open is null == fault is not null, "an OPEN is taken or answered");
        var behaviour = new Behaviour();
        behaviour.Add(fault?.Subcode ?? -1);
        if (open is null) return behaviour.Number;

        byte[] buffer = new byte[Message.SizeMax];
        var writer = new WireWriter(buffer);
        open.Write(ref writer);
        if (!writer.Failed)
        {
            OpenMessage? again = OpenMessage.TryRead(writer.Written[Message.HeaderSize..], out _);
            BrokenPromiseException.Unless(
                again?.As == open.As && again.Capabilities.Families.SequenceEqual(open.Capabilities.Families)
                    && again.Capabilities.Role == open.Capabilities.Role, "an OPEN reads back as it was written");
        }

        foreach (PeerOptions options in Options)
        {
            Negotiation? agreed = Negotiation.TryAgree(options, open, out Notification? refused);
            BrokenPromiseException.Unless(agreed is null == refused is not null, "an OPEN is agreed on or answered");
            BrokenPromiseException.Unless(
                agreed is null || agreed.Families.All(options.OfferedFamilies.Contains), "families are ours too");
            behaviour.Add(refused?.Subcode ?? (agreed!.AddPath.Length * 2) + (agreed.Restart is null ? 0 : 1));
        }

        return behaviour.Number;
    }

    private static IEnumerable<PeerOptions> MakeOptions()
    {
        var plain = new PeerOptions
        {
            Name = "peer",
            Address = IPAddress.Parse("2001:db8::2"),
            LocalAs = new Asn(65000),
            PeerAs = new Asn(65001),
            RouterId = 1,
            Families = [BgpFamily.IPv4Unicast, BgpFamily.IPv6Unicast],
        };
        yield return plain;
        yield return plain with
        {
            AddPath = true,
            IPv6NextHop = true,
            Restart = new RestartOptions(),
            Role = SessionRole.Customer,
            PeerAs = new Asn(4_200_000_001),
        };
    }
}

/// <summary>The body of a NOTIFICATION: its text must be fit for a terminal, and it goes out as it came in.</summary>
public sealed class BgpNotificationTarget : IFuzzTarget
{
    public string Name => "bgp-notification";

    public bool IsText => false;

    public int BytesMax => Message.SizeMax - Message.HeaderSize;

    public IReadOnlyList<byte[]> Tokens { get; } =
    [
        [6, 2], [6, 4], [6, 9], [6, 9, 6, 2], [6, 9, 6, 9], [6, 10], [3, 1], [255, 255], [0x1b, (byte)'['],
        [0xc3, 0xa9], [0xf0, 0x9f, 0x9a, 0xa7], [0xed, 0xa0, 0x80], [0xc2, 0x85], [0xe2, 0x80, 0xae], [0], [10],
    ];

    public int Run(ReadOnlySpan<byte> input)
    {
        if (input.Length < 2) return 0; // Message.TryFrame lets no shorter one pass.
        Notification read = Notification.Read(input);
        string text = read.ToString(), shutdown = read.ShutdownText();
        BrokenPromiseException.Unless(!text.Any(char.IsControl), "what a peer says cannot control a terminal");
        BrokenPromiseException.Unless(
            shutdown.Length <= Notification.TextBytesMax && text.Contains(shutdown, StringComparison.Ordinal),
            "the text is bounded and shown");
        byte[] buffer = new byte[Message.SizeMax];
        var writer = new WireWriter(buffer);
        read.Write(ref writer);
        BrokenPromiseException.Unless(
            writer.Written[Message.HeaderSize..].SequenceEqual(input), "it goes out as it came in");
        // Wrapped it must still say the same; what is a hard reset already, or fills the message, is not wrapped.
        if (!read.IsHardReset)
            BrokenPromiseException.Unless(read.AsHardReset().ShutdownText() == shutdown, "a hard reset keeps the text");

        var behaviour = new Behaviour();
        behaviour.Add(Math.Min((int)read.Code, 9));
        behaviour.Add(Math.Min((int)read.Subcode, 12));
        behaviour.Add(Math.Min(shutdown.Length, 4) + (read.IsHardReset ? 8 : 0));
        return behaviour.Number;
    }
}

/// <summary>
/// A stream of messages, behind an octet that says whether long ones and RFC 7313 were agreed on: where each ends, and
/// what a ROUTE-REFRESH among them asks for.
/// </summary>
public sealed class BgpStreamTarget : IFuzzTarget
{
    public string Name => "bgp-stream";

    public bool IsText => false;

    public int BytesMax => 9000;

    public IReadOnlyList<byte[]> Tokens { get; } =
    [
        [.. Enumerable.Repeat((byte)0xff, 16)], [.. Enumerable.Repeat((byte)0xff, 16), 0, 23, 5, 0, 1, 0, 1],
        [.. Enumerable.Repeat((byte)0xff, 16), 0, 19, 4], [.. Enumerable.Repeat((byte)0xff, 16), 0x20, 0, 2],
        [0, 23, 5, 0, 2, 1, 1], [0, 22, 5, 0, 1, 2], [0, 19, 4], [0, 29, 1], [0, 21, 3],
    ];

    public int Run(ReadOnlySpan<byte> input)
    {
        if (input.IsEmpty) return 0;
        int sizeMax = (input[0] & 1) != 0 ? Message.ExtendedSizeMax : Message.SizeMax;
        bool enhanced = (input[0] & 2) != 0;
        ReadOnlySpan<byte> stream = input[1..];
        var behaviour = new Behaviour();
        while (Message.TryFrame(stream, sizeMax, out MessageType type, out int length, out Notification? fault))
        {
            BrokenPromiseException.Unless(
                fault is null && length >= Message.HeaderSize && length <= Math.Min(sizeMax, stream.Length),
                "a message lies in the stream");
            behaviour.Add((int)type);
            ReadOnlySpan<byte> body = stream[Message.HeaderSize..length];
            if (type == MessageType.RouteRefresh) Refresh(body, enhanced, ref behaviour);
            stream = stream[length..];
        }

        behaviour.Add(stream.Length > Message.HeaderSize ? 1 : 0);
        return behaviour.Number;
    }

    private static void Refresh(ReadOnlySpan<byte> body, bool enhanced, ref Behaviour behaviour)
    {
        var read = Message.ReadRouteRefresh(body, enhanced, out Notification? fault);
        BrokenPromiseException.Unless(read is null == fault is not null, "a ROUTE-REFRESH is taken or answered");
        behaviour.Add(fault is null ? (int)read!.Value.Kind : 100 + (int)fault.Code);
        if (read is not { Kind: <= RefreshKind.End } known) return;
        byte[] buffer = new byte[64];
        var writer = new WireWriter(buffer);
        Message.WriteRouteRefresh(ref writer, known.Family, known.Kind);
        BrokenPromiseException.Unless(
            Message.ReadRouteRefresh(writer.Written[Message.HeaderSize..], enhanced, out _) == known,
            "a ROUTE-REFRESH reads back as it was written");
    }
}
