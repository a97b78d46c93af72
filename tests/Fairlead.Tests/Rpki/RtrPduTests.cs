using Fairlead.Bgp.Rpki;
using Fairlead.Net.Wire;

namespace Fairlead.Tests.Rpki;

public class RtrPduTests
{
    /// <summary>A cache's side, which the product has no need of.</summary>
    internal static byte[] Prefix(RoaPayload payload, bool announces, byte version = 1)
    {
        bool isIPv4 = payload.Prefix.IsIPv4;
        byte[] pdu = new byte[isIPv4 ? 20 : 32];
        var writer = new WireWriter(pdu);
        Header(ref writer, version, isIPv4 ? RtrType.IPv4Prefix : RtrType.IPv6Prefix, 0, pdu.Length);
        writer.U8((byte)(announces ? 1 : 0));
        writer.U8((byte)payload.Prefix.Length);
        writer.U8((byte)payload.LengthMax);
        writer.U8(0);
        writer.Bytes(payload.Prefix.Address.GetAddressBytes());
        writer.U32(payload.Asn.Value);
        return pdu;
    }

    internal static byte[] Plain(RtrType type, ushort session, byte version = 1)
    {
        byte[] pdu = new byte[8];
        var writer = new WireWriter(pdu);
        Header(ref writer, version, type, session, 8);
        return pdu;
    }

    internal static byte[] EndOfData(
        ushort session, uint serial, uint refresh = 3600, uint retry = 600, uint expire = 7200, byte version = 1)
    {
        byte[] pdu = new byte[version == 0 ? 12 : 24];
        var writer = new WireWriter(pdu);
        Header(ref writer, version, RtrType.EndOfData, session, pdu.Length);
        writer.U32(serial);
        if (version == 0) return pdu;
        writer.U32(refresh);
        writer.U32(retry);
        writer.U32(expire);
        return pdu;
    }

    internal static byte[] Notify(ushort session, uint serial)
    {
        byte[] pdu = RtrPdu.SerialQuery(1, session, serial);
        pdu[1] = (byte)RtrType.SerialNotify;
        return pdu;
    }

    private static void Header(ref WireWriter writer, byte version, RtrType type, ushort session, int length)
    {
        writer.U8(version);
        writer.U8((byte)type);
        writer.U16(session);
        writer.U32((uint)length);
    }

    [Fact]
    public void A_prefix_reads_back_as_it_was_written() => Property.Holds(5_000, random =>
    {
        RoaPayload sent = OriginValidationTests.Any(random);
        bool announces = random.Next(2) == 0;

        Assert.Equal(RtrReject.None, RtrPdu.TryRead(Prefix(sent, announces), out RtrPdu read, out int length));

        Assert.Equal((sent, announces, sent.Prefix.IsIPv4 ? 20 : 32), (read.Payload, read.Announces, length));
    });

    [Fact]
    public void What_stayrtr_sends_is_read()
    {
        byte[] bytes = Fixture.Hex("rpki/stayrtr.hex");
        List<RtrPdu> read = [];
        for (int at = 0; at < bytes.Length;)
        {
            Assert.Equal(RtrReject.None, RtrPdu.TryRead(bytes.AsSpan(at), out RtrPdu pdu, out int length));
            read.Add(pdu);
            at += length;
        }

        Assert.Equal(RtrType.CacheResponse, read[0].Type);
        Assert.Equal(RtrType.EndOfData, read[^1].Type);
        Assert.Equal((3600u, 600u, 7200u), read[^1].Timers);
        string[] payloads = [.. read[1..^1].Select(pdu => pdu.Payload).Order()
            .Select(one => $"{one.Prefix}-{one.LengthMax} AS{one.Asn}")];
        Assert.Equal(["192.0.2.0/24-24 AS64500", "2001:db8::/32-48 AS64500"], payloads);
        Assert.All(read[1..^1], pdu => Assert.True(pdu.Announces));
    }

    [Fact]
    public void Our_own_pdus_are_those_of_the_rfc()
    {
        Assert.Equal("0102000000000008", Convert.ToHexString(RtrPdu.ResetQuery(1)));
        Assert.Equal("0001ABCD0000000C00000007", Convert.ToHexString(RtrPdu.SerialQuery(0, 0xabcd, 7)));
        byte[] report = RtrPdu.ErrorReport(1, RtrError.CorruptData, [1, 2, 3], "why");
        Assert.Equal("010A000000000016" + "00000003010203" + "00000003776879", Convert.ToHexString(report));
        Assert.Equal(RtrReject.None, RtrPdu.TryRead(report, out RtrPdu read, out _));
        Assert.Equal((RtrError.CorruptData, "why"), (read.Error, read.Text));
    }

    [Theory]
    [InlineData("01", RtrReject.Incomplete)]
    [InlineData("0103000100000007", RtrReject.Length)] // Shorter than a header.
    [InlineData("01030001FFFFFFFF", RtrReject.Length)]
    [InlineData("0105000100000008", RtrReject.Type)]
    [InlineData("010B000100000008", RtrReject.Type)]
    [InlineData("010300010000000900", RtrReject.Length)] // A byte too many.
    [InlineData("0107000100000010000000010000000A", RtrReject.Length)] // Version 1 without all its timers.
    [InlineData("010400000000001401180800C00002000000FBF4", RtrReject.Value)] // At most /8, and yet /24.
    [InlineData("010400000000001401181821C00002000000FBF4", RtrReject.None)]
    [InlineData("010400000000001401182100C00002000000FBF4", RtrReject.Value)] // /33.
    [InlineData("010400000000001401181800C00002010000FBF4", RtrReject.Value)] // Host bits.
    [InlineData("010A0000000000100000FFFF00000000", RtrReject.Length)] // A PDU in error longer than the report.
    public void A_pdu_that_cannot_be_is_refused(string hex, RtrReject reject) =>
        Assert.Equal(reject, RtrPdu.TryRead(Convert.FromHexString(hex), out _, out _));

    [Fact]
    public void Damaged_pdus_are_refused_and_never_throw() => Property.Holds(20_000, random =>
    {
        byte[] wire = Fixture.Hex("rpki/stayrtr.hex");
        for (int i = random.Next(8); i > 0; i--) wire[random.Next(wire.Length)] = (byte)random.Next(256);
        ReadOnlySpan<byte> rest = wire.AsSpan(0, random.Next(wire.Length + 1));
        while (RtrPdu.TryRead(rest, out _, out int length) is not RtrReject.Incomplete && length > 0)
            rest = rest[length..];
    });
}
