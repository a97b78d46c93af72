using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Fairlead.Balancer;

namespace Fairlead.Bench.Balancer;

/// <summary>struct round of harness.bpf.c.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct Round
{
    public const int Bytes = 96;

    public ulong Count;
    public uint Length;
    public uint Mask;
    public uint To;
    public uint Address;
    public FrameBytes Frame;

    [InlineArray(Bytes)]
    internal struct FrameBytes
    {
        private byte first;
    }
}

/// <summary>One row: packets of so many flows to this VIP. Fresh: nothing is remembered when a batch begins.</summary>
internal sealed record Case(
    string Name, int Vip, int Family, byte Protocol, bool IsSyn, int Flows, int Bar, bool IsFresh = false, uint Verdict = 3)
{
    /// <summary>What follows the UDP header; null: zeros.</summary>
    public byte[]? Payload { get; init; }
}

internal static class Cases
{
    private const int SteadyBar = 60, ExceptionBar = 120, NewBar = 150, NotVipBar = 25;
    private const int Few = 1, Many = 1 << 16, More = 1 << 17, Most = 1 << 19;

    private static readonly (string Name, DeliveryMode Mode, bool IsIPv6)[] Ways =
    [
        ("L2", DeliveryMode.L2, false), ("IP in IPv4", DeliveryMode.Ip, false), ("IP in IPv6", DeliveryMode.Ip, true),
        ("GUE over IPv4", DeliveryMode.Gue, false), ("GUE over IPv6", DeliveryMode.Gue, true),
    ];

    public static IEnumerable<Case> All()
    {
        foreach (int family in (int[])[4, 6])
            yield return new($"not a VIP, IPv{family}", 99, family, 6, false, Many, NotVipBar, Verdict: 2);
        foreach (Case one in Quic()) yield return one;
        for (int way = 0; way < Ways.Length; way++)
        {
            foreach (int family in (int[])[4, 6])
            {
                foreach (byte protocol in (byte[])[6, 17])
                {
                    foreach (int flows in (int[])[Few, Many, Most])
                    {
                        yield return new($"steady, {(protocol == 6 ? "TCP" : "UDP")} IPv{family}, {Ways[way].Name}",
                            1 + way, family, protocol, false, flows, SteadyBar);
                    }
                }

                yield return new($"steady, new TCP IPv{family}, {Ways[way].Name}", 1 + way, family, 6, true, Most, SteadyBar);
            }
        }

        for (int way = 0; way < Ways.Length; way++)
        {
            foreach (int flows in (int[])[Few, Many, More, Most])
                yield return new($"remembered flow, TCP IPv4, {Ways[way].Name}", 11 + way, 4, 6, false, flows, ExceptionBar);
            yield return new($"new flow in a changing slot, TCP IPv4, {Ways[way].Name}", 11 + way, 4, 6, true, More, NewBar, true);
            yield return new($"new flow in a changing slot, TCP IPv6, {Ways[way].Name}", 11 + way, 6, 6, true, More, NewBar, true);
        }
    }

    /// <summary>UDP packets of a service whose backends write themselves into connection ids.</summary>
    private static IEnumerable<Case> Quic()
    {
        yield return Row("quic, an id of nobody's: by the slot", [0xe7, 1, 2, 3, 4, 5, 6, 7], 80);
        foreach ((QuicConfig config, string how, int bar) in ((QuicConfig, string, int)[])
            [(QuicConfigs[0], "plain", 80), (QuicConfigs[1], "encrypted, one pass", 300),
                (QuicConfigs[2], "encrypted, three passes", 600), (QuicConfigs[3], "encrypted, four passes", 750)])
        {
            yield return Row($"quic {how}", QuicConnectionId.Write(
                config, Convert.FromHexString(config.Ids[7].Id), new byte[config.NonceBytes]), bar);
        }

        static Case Row(string name, byte[] id, int bar) => new(name, 21, 4, 17, false, Many, bar)
        {
            Payload = [0x40, .. id],
        };
    }

    /// <summary>A hundred backends in plain text, and with a key in each of the ways that it may take.</summary>
    private static readonly ImmutableArray<QuicConfig> QuicConfigs =
        [Configuration(0, 4, 4, false), Configuration(1, 4, 12, true), Configuration(2, 4, 6, true), Configuration(3, 8, 6, true)];

    private static QuicConfig Configuration(int number, int bytes, int nonceBytes, bool hasKey) => new()
    {
        Config = number,
        NonceBytes = nonceBytes,
        Key = hasKey ? "8f95f09245765f80256934e50c66207f" : "",
        Ids = [.. Enumerable.Range(0, 100).Select(i => new QuicServerId(
            new string('0', 2 * bytes - 2) + i.ToString("x2", CultureInfo.InvariantCulture), Backend(false, i, 1).Address))],
    };

    /// <summary>
    /// VIPs 1 to 5 a way each, steady; 21 has QUIC ids; 11 to 15 the same, changing in every slot. A hundred backends each.
    /// </summary>
    public static VipTable Table(bool isBefore) => new(1, [])
    {
        Services =
        [
            .. Ways.Select((way, i) => Service(1 + i, way.Mode, way.IsIPv6, 0, 100, 1)),
            Service(21, DeliveryMode.L2, false, 0, 100, 1) with { Quic = QuicConfigs, Slots = 16381 },
            .. Ways.Select((way, i) => isBefore
                ? Service(11 + i, way.Mode, way.IsIPv6, 0, 1, 1)
                : Service(11 + i, way.Mode, way.IsIPv6, 0, 1, 0) with
                {
                    Backends = [Backend(way.IsIPv6, 0, 0), Backend(way.IsIPv6, 1, 1)],
                    Others = [new OtherBalancer([[Backend(way.IsIPv6, 0, 1)]])],
                }),
        ],
    };

    public static byte[] Frame(int vip, int family, byte protocol, bool isSyn, byte[]? payload = null)
    {
        byte[] frame = new byte[128];
        ReadOnlySpan<byte> macs = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9];
        macs.CopyTo(frame);
        int l4 = family == 4 ? 34 : 54, length = frame.Length - 14;
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(12), (ushort)(family == 4 ? 0x0800 : 0x86dd));
        Span<byte> ip = frame.AsSpan(14);
        if (family == 4)
        {
            (ip[0], ip[8], ip[9]) = (0x45, 64, protocol);
            BinaryPrimitives.WriteUInt16BigEndian(ip[2..], (ushort)length);
            IPAddress.Parse($"192.0.2.{vip}").TryWriteBytes(ip[16..], out _);
        }
        else
        {
            (ip[0], ip[6], ip[7]) = (0x60, protocol, 64);
            BinaryPrimitives.WriteUInt16BigEndian(ip[4..], (ushort)(length - 40));
            IPAddress.Parse("2001:db8:c::").TryWriteBytes(ip[8..], out _);
            IPAddress.Parse($"2001:db8:f::{vip}").TryWriteBytes(ip[24..], out _);
        }

        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(l4), 40000);
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(l4 + 2), 80);
        // A checksum that is not zero: its value concerns nobody on the way.
        if (protocol == 17) (frame[l4 + 5], frame[l4 + 7]) = (8, 1);
        else (frame[l4 + 12], frame[l4 + 13]) = (0x50, isSyn ? (byte)2 : (byte)16);
        payload?.CopyTo(frame, l4 + 8);
        return frame;
    }

    private static ServiceEntry Service(int vip, DeliveryMode mode, bool isIPv6, int first, int count, int weight) => new()
    {
        Name = $"s{vip}",
        Vips =
        [
            .. new[] { $"192.0.2.{vip}", $"2001:db8:f::{vip}" }.SelectMany(address => new byte[] { 6, 17 }
                .Select(protocol => new VipPort(IPAddress.Parse(address), protocol, 80))),
        ],
        Backends = [.. Enumerable.Range(first, count).Select(i => Backend(isIPv6, i, weight))],
        Mode = mode,
        Slots = vip > 10 ? 1009 : 16381,
    };

    private static BackendEntry Backend(bool isIPv6, int number, int weight) =>
        new(IPAddress.Parse(isIPv6 ? $"2001:db8:1::{number + 11:x}" : $"10.0.0.{number + 11}"), weight);
}
