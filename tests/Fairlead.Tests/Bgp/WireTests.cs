using System.Collections.Immutable;
using Fairlead.Bgp.Wire;
using Fairlead.Net.Addresses;
using Fairlead.Net.Wire;

namespace Fairlead.Tests.Bgp;

public class WireTests
{
    [Fact]
    public void The_open_of_bird_reads_as_bird_was_configured()
    {
        OpenMessage open = OpenMessage.TryRead(Body("bgp/open-v4.hex", MessageType.Open), out Notification? fault)!;

        Assert.Null(fault);
        Assert.Equal(new Asn(65001), open.As);
        Assert.Equal(240, open.HoldSeconds);
        Assert.Equal(0x0a090002u, open.RouterId);
        Assert.Equal([BgpFamily.IPv4Unicast], open.Capabilities.Families.AsEnumerable());
        Assert.True(open.Capabilities.RouteRefresh);

        open = OpenMessage.TryRead(Body("bgp/open-v6-as-trans.hex", MessageType.Open), out _)!;
        Assert.Equal(new Asn(4_200_000_001), open.As);
        Assert.Equal([BgpFamily.IPv6Unicast], open.Capabilities.Families.AsEnumerable());
    }

    [Fact]
    public void The_shutdown_text_of_bird_is_read_and_ours_is_written_alike()
    {
        Notification read = Notification.Read(Body("bgp/notification-shutdown.hex", MessageType.Notification));
        Assert.Equal("maintenance of rack 7", read.ShutdownText());

        Span<byte> buffer = stackalloc byte[Message.SizeMax];
        var writer = new WireWriter(buffer);
        Notification.Shutdown("maintenance of rack 7").Write(ref writer);
        Assert.Equal(Fixture.Hex("bgp/notification-shutdown.hex"), writer.Written.ToArray());
    }

    [Fact]
    public void The_keepalive_is_the_one_that_bird_sends()
    {
        Span<byte> buffer = stackalloc byte[64];
        var writer = new WireWriter(buffer);
        Message.WriteKeepalive(ref writer);
        Assert.Equal(Fixture.Hex("bgp/keepalive.hex"), writer.Written.ToArray());
    }

    [Fact]
    public void A_shutdown_text_too_long_is_cut_at_a_character() => Property.Holds(500, random =>
    {
        string text = string.Concat(Enumerable.Range(0, random.Next(300)).Select(_ =>
            random.Next(3) switch { 0 => "a", 1 => "é", _ => "🚧" }));
        Notification notification = Notification.Shutdown(text);

        Assert.InRange(notification.Data.Length, 1, 256);
        Assert.StartsWith(notification.ShutdownText(), text, StringComparison.Ordinal);
        Assert.DoesNotContain('\ufffd', notification.ShutdownText());
    });

    [Fact]
    public void A_shutdown_text_cannot_control_a_terminal()
    {
        var evil = new Notification(
            NotificationCode.Cease, CeaseSubcode.AdministrativeShutdown, [4, 0x1b, 0x5b, 0x0a, 0xff]);
        Assert.DoesNotContain(evil.ToString(), char.IsControl);
        var lying = new Notification(NotificationCode.Cease, CeaseSubcode.AdministrativeShutdown, [200, 0x41]);
        Assert.Equal("", lying.ShutdownText());
    }

    [Fact]
    public void An_open_reads_back_as_it_was_written() => Property.Holds(2_000, random =>
    {
        var sent = new OpenMessage
        {
            As = new Asn((uint)random.NextInt64(1, uint.MaxValue)),
            HoldSeconds = (ushort)random.Next(3, 65536),
            RouterId = (uint)random.NextInt64(1, uint.MaxValue),
            Capabilities = new Capabilities
            {
                Families = random.Next(2) == 0
                    ? [BgpFamily.IPv4Unicast]
                    : [BgpFamily.IPv6Unicast, BgpFamily.IPv4Unicast],
                RouteRefresh = random.Next(2) == 0,
            },
        };
        sent = sent with { Capabilities = sent.Capabilities with { FourOctetAs = sent.As } };
        byte[] buffer = new byte[Message.SizeMax];
        var writer = new WireWriter(buffer);
        sent.Write(ref writer);

        Assert.True(Message.TryFrame(writer.Written, out MessageType type, out int length, out _));
        Assert.Equal((MessageType.Open, writer.Position), (type, length));
        OpenMessage read = OpenMessage.TryRead(writer.Written[Message.HeaderSize..], out _)!;
        Assert.Equal((sent.As, sent.HoldSeconds, sent.RouterId), (read.As, read.HoldSeconds, read.RouterId));
        Assert.Equal(sent.Capabilities.Families, read.Capabilities.Families.AsEnumerable());
        Assert.Equal(sent.Capabilities.RouteRefresh, read.Capabilities.RouteRefresh);
    });

    [Fact]
    public void An_open_with_extended_parameter_lengths_is_read()
    {
        // RFC 9072 §2: length 255, type 255, the real length, and then parameters with two-octet lengths.
        byte[] capability = [1, 4, 0, 1, 0, 1];
        byte[] body = [4, 0xfd, 0xe9, 0, 90, 10, 0, 0, 1, 255, 255, 0, 9, 2, 0, 6, .. capability];
        OpenMessage? open = OpenMessage.TryRead(body, out Notification? fault);

        Assert.Null(fault);
        Assert.Equal([BgpFamily.IPv4Unicast], open!.Capabilities.Families.AsEnumerable());
    }

    [Theory]
    [InlineData("03 fde9 005a 0a000001 00", OpenSubcode.Version)]
    [InlineData("04 0000 005a 0a000001 00", OpenSubcode.BadPeerAs)]
    [InlineData("04 fde9 0002 0a000001 00", OpenSubcode.HoldTime)]
    [InlineData("04 fde9 005a 00000000 00", OpenSubcode.BadIdentifier)]
    [InlineData("04 fde9 005a 0a000001 02 0100", OpenSubcode.UnsupportedParameter)]
    [InlineData("04 fde9 005a 0a000001 03 0205", OpenSubcode.Unspecific)]
    [InlineData("04 fde9 005a 0a000001 04 02024104", OpenSubcode.Unspecific)]
    [InlineData("04 fde9 005a 0a000001 08 0206410400000000", OpenSubcode.BadPeerAs)]
    public void An_open_that_cannot_be_accepted_is_answered_with_its_subcode(string hex, byte subcode)
    {
        byte[] body = Convert.FromHexString(hex.Replace(" ", "", StringComparison.Ordinal));
        Assert.Null(OpenMessage.TryRead(body, out Notification? fault));
        Assert.Equal((NotificationCode.Open, subcode), (fault!.Code, fault.Subcode));
    }

    [Theory]
    [InlineData(0, 19, 4, HeaderSubcode.NotSynchronized)]
    [InlineData(255, 18, 4, HeaderSubcode.BadLength)]
    [InlineData(255, 4097, 2, HeaderSubcode.BadLength)]
    [InlineData(255, 20, 4, HeaderSubcode.BadLength)]
    [InlineData(255, 28, 1, HeaderSubcode.BadLength)]
    [InlineData(255, 22, 2, HeaderSubcode.BadLength)]
    [InlineData(255, 20, 3, HeaderSubcode.BadLength)]
    [InlineData(255, 21, 5, HeaderSubcode.BadLength)]
    [InlineData(255, 19, 0, HeaderSubcode.BadType)]
    [InlineData(255, 19, 6, HeaderSubcode.BadType)]
    public void A_header_that_is_wrong_is_answered_with_its_subcode(byte marker, int length, byte type, byte subcode)
    {
        byte[] header = [.. Enumerable.Repeat(marker, 16), (byte)(length >> 8), (byte)length, type];
        Assert.False(Message.TryFrame(header, out _, out _, out Notification? fault));
        Assert.Equal((NotificationCode.Header, subcode), (fault!.Code, fault.Subcode));
    }

    [Fact]
    public void A_stream_cut_anywhere_waits_for_the_rest()
    {
        byte[] wire = Fixture.Hex("bgp/update-v4.hex");
        for (int cut = 0; cut < wire.Length; cut++)
        {
            Assert.False(Message.TryFrame(wire.AsSpan(0, cut), out _, out _, out Notification? fault));
            Assert.Null(fault);
        }
    }

    [Fact]
    public void Damaged_messages_never_throw() => Property.Holds(20_000, random =>
    {
        byte[] wire = Fixtures[random.Next(Fixtures.Length)].ToArray();
        int flips = random.Next(1, 6);
        for (int i = 0; i < flips; i++) wire[random.Next(Message.HeaderSize, wire.Length)] = (byte)random.Next(256);
        ReadOnlySpan<byte> body = wire.AsSpan(Message.HeaderSize, random.Next(wire.Length - Message.HeaderSize + 1));

        _ = OpenMessage.TryRead(body, out _);
        _ = Notification.Read(body).ToString();
        int bits = random.Next(16);
        var context = new UpdateContext((bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0);
        var content = new UpdateContent();
        UpdateAction action = UpdateReader.Read(body, context, content);
        Assert.Equal(action == UpdateAction.SessionReset, content.Fault is not null);
        if (action == UpdateAction.TreatAsWithdraw) Assert.Empty(content.Announced);
    });

    private static readonly ImmutableArray<byte[]> Fixtures =
    [
        Fixture.Hex("bgp/open-v4.hex"), Fixture.Hex("bgp/open-v6-as-trans.hex"), Fixture.Hex("bgp/update-v4.hex"),
        Fixture.Hex("bgp/update-v6.hex"), Fixture.Hex("bgp/withdraw-v6.hex"),
        Fixture.Hex("bgp/notification-shutdown.hex"),
    ];

    private static byte[] Body(string fixture, MessageType expected)
    {
        byte[] wire = Fixture.Hex(fixture);
        Assert.True(Message.TryFrame(wire, out MessageType type, out int length, out _));
        Assert.Equal((expected, wire.Length), (type, length));
        return wire[Message.HeaderSize..];
    }
}
