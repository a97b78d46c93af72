using System.Net;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Steering;
using Fairlead.Dns.Transfers;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;
using Fairlead.Net.Addresses;

namespace Fairlead.Fuzz.Targets;

/// <summary>Keys, versions of a zone, and a clock that stands still, for the targets of transfers.</summary>
internal static class TransferBed
{
    public static readonly DateTimeOffset Now = DateTimeOffset.FromUnixTimeSeconds(1_800_000_000);
    public static readonly DnsName Origin = DnsName.Parse("example.com");
    public static readonly TsigKey Right = new(DnsName.Parse("right"), TsigAlgorithm.HmacSha256, "secret of all"u8);
    public static readonly TsigKey Other = new(DnsName.Parse("other"), TsigAlgorithm.HmacSha512, "another one"u8);
    public static readonly UInt128 Inside = Prefix.BitsOf(IPAddress.Parse("192.0.2.1"));
    public static readonly UInt128 Outside = Prefix.BitsOf(IPAddress.Parse("198.51.100.1"));

    public static TimeProvider Clock { get; } = new StoppedClock();

    /// <summary>Words that mean something in transfers: types, classes, SOA data, the parts of a TSIG record.</summary>
    public static IReadOnlyList<byte[]> Tokens { get; } =
    [
        [0, 6, 0, 1], [0, 250, 0, 255, 0, 0, 0, 0], [0, 251, 0, 1], [0, 252, 0, 1], [0, 255], [0, 41], [0xc0, 0x0c],
        [0xc0, 0x00], [0xff, 0xff], [0, 0, 0, 1], [0, 0, 0, 2], [0, 0, 0, 3], [0x80, 0, 0, 3], [0], [0x24, 0],
        .. "example com net org ns1 h right other hmac-sha256 hmac-sha512 a sub x".Split(' ')
            .Select(label => (byte[])[(byte)label.Length, .. label.Select(letter => (byte)letter)]),
        [0, 0, 0x6b, 0x49, 0xd2, 0, 1, 44], [0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 192, 0, 2, 9], [0, 46, 0, 1], [0, 47, 0, 1],
    ];

    public static Zone Version(uint serial)
    {
        // More than one message of a kilobyte, and something that each version changes.
        string text = $"$TTL 300\n@ SOA ns1 h {serial} 3600 900 1209600 60\n NS ns1\nns1 A 192.0.2.1\n"
            + $"a TXT \"secret {serial}\"\n$GENERATE 1-40 h$ A 192.0.2.$\nsub NS ns.sub\nns.sub A 192.0.2.53\n"
            + $"only{serial} MX 5 a\n";
        MasterFileResult read = MasterFile.Read("zone", Origin, text);
        return read.Zone ?? throw new InvalidOperationException(string.Join('\n', read.Problems));
    }

    public static DnsTable Table(uint serial) =>
        DnsTable.Create(serial, [Version(serial)], RegionMap.Empty, SteeringTable.Empty, "");

    private sealed class StoppedClock : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => Now;

        public override long GetTimestamp() => 0;
    }
}
