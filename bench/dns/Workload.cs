using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using System.Text;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Steering;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;
using Fairlead.Net.Addresses;

namespace Fairlead.Bench.Dns;

/// <summary>
/// The same zone, places and questions for every server, from one seed: 10,000 names of which every tenth is steered,
/// 100,000 client networks in four countries, 5 % of the questions for names that are not there, half with ECS.
/// </summary>
internal static class Workload
{
    public const string Origin = "bench.test";
    public const int Names = 10_000;
    public const int SteeredEvery = 10;
    public const int Subnets = 100_000;
    public const int Questions = 65_536;
    public const uint SteeredTtl = 30;

    public static readonly ImmutableArray<string> Countries = ["DE", "US", "JP", "BR"];

    public static bool IsSteered(int name) => name % SteeredEvery == 0;

    public static string NameOf(int name) => string.Create(CultureInfo.InvariantCulture, $"host{name}");

    public static string AddressOf(int country) => $"198.18.0.{country + 1}";

    /// <summary>Steered names have an address of their own here only for servers that cannot steer.</summary>
    public static string ZoneText(Func<int, string?> steered)
    {
        var text = new StringBuilder($"$ORIGIN {Origin}.\n$TTL 3600\n");
        text.Append("@ 3600 IN SOA ns1 hostmaster 1 7200 900 1209600 300\n@ 3600 IN NS ns1\nns1 3600 IN A 192.0.2.1\n");
        for (int i = 0; i < Names; i++)
        {
            string? record = IsSteered(i) ? steered(i) : $"A 10.0.{i / 250}.{i % 250}";
            if (record is not null) text.Append($"{NameOf(i)} {(IsSteered(i) ? SteeredTtl : 3600)} {record}\n");
        }

        return text.ToString();
    }

    /// <summary>Distinct networks of the size that resolvers send, each in one of the countries.</summary>
    public static List<(uint Network, int Country)> ClientNetworks()
    {
        var random = new Random(1);
        var seen = new HashSet<uint>();
        var networks = new List<(uint, int)>();
        while (networks.Count < Subnets)
        {
            uint network = (uint)random.Next(0x0b0000, 0xdf0000) << 8;
            if (network >> 24 != 127 && seen.Add(network)) networks.Add((network, random.Next(Countries.Length)));
        }

        return networks;
    }

    public static string Text(uint network) => $"{new IPAddress(BinaryPrimitives.ReverseEndianness(network))}/24";

    public static DnsTable Table()
    {
        MasterFileResult zone = MasterFile.Read("bench.zone", DnsName.Parse(Origin), ZoneText(_ => null));
        RegionMap regions = RegionMap.Compile(ClientNetworks()
            .Select(entry => (Prefix.Parse(Text(entry.Network)), entry.Country + 1)));
        ImmutableArray<SteeredRegion> answers =
            [.. Enumerable.Range(-1, Countries.Length + 1).Select(country => (SteeredRegion)new SteeredAnswer
            {
                A = [IPAddress.Parse(AddressOf(Math.Max(0, country)))],
            })];
        var steering = new SteeringTable(Enumerable.Range(0, Names).Where(IsSteered).Select(name => new SteeredName
        {
            Owner = DnsName.Parse($"{NameOf(name)}.{Origin}"),
            TtlSeconds = SteeredTtl,
            ByRegion = answers,
        }));
        return DnsTable.Create(1, [zone.Zone!], regions, steering, "bench");
    }

    /// <summary>
    /// Ready queries, their ids left 0: so many of them ask for steered names, so many per cent for names by chance that
    /// are not there.
    /// </summary>
    public static byte[][] Queries(double steeredShare, int missing = 5)
    {
        var random = new Random(2);
        List<(uint Network, int Country)> networks = ClientNetworks();
        var queries = new byte[Questions][];
        for (int i = 0; i < queries.Length; i++)
        {
            int name = random.Next(Names / SteeredEvery) * SteeredEvery;
            if (random.NextDouble() >= steeredShare) name += random.Next(1, SteeredEvery);
            string owner = random.Next(100) < missing
                ? $"nothing{(missing == 5 ? name : random.Next())}.{Origin}"
                : $"{NameOf(name)}.{Origin}";
            uint? network = random.Next(2) == 0 ? networks[random.Next(networks.Count)].Network : null;
            queries[i] = Query(owner, RecordType.A, network);
        }

        return queries;
    }

    public static byte[] Query(string name, RecordType type, uint? subnet)
    {
        byte[] option = subnet is not { } network ? [] :
            [0, 8, 0, 7, 0, 1, 24, 0, (byte)(network >> 24), (byte)(network >> 16), (byte)(network >> 8)];
        return [
            0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, .. DnsName.Parse(name).Wire, 0, (byte)type, 0, 1,
            0, 0, 41, 4, 0xd0, 0, 0, 0, 0, 0, (byte)option.Length, .. option];
    }
}
