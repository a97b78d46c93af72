using System.Net;
using System.Net.Sockets;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Server;
using Fairlead.Dns.Steering;
using Fairlead.Dns.Wire;
using Fairlead.Fleet;
using Fairlead.Fleet.Spec;
using Fairlead.Fleet.Steer;
using Fairlead.Import;
using Fairlead.Lab.Topologies;
using Fairlead.Net;
using Fairlead.Net.Addresses;
using Fairlead.Net.Linux;
using Fairlead.Node;
using Fairlead.Tests.Dns;

namespace Fairlead.InteropTests.Dns;

/// <summary>
/// gdnsd with generated maps, and our server with what the import made of them, in one namespace in which every address
/// is local: so a client may have any.
/// </summary>
internal sealed class GdnsdBed : IAsyncDisposable
{
    public const int GdnsdPort = 5311;
    public const int OurPort = 5312;

    private static readonly (string Continent, string Country, string? Part, string? City)[] Kinds =
    [
        ("EU", "DE", "BE", "Berlin"), ("EU", "FR", "IDF", "Paris"), ("EU", "FR", "ARA", "Lyon"), ("EU", "GB", null,
            null),
        ("NA", "US", "TX", "Dallas"), ("NA", "US", "TX", "Paris"), ("NA", "US", "CA", "Fresno"), ("NA", "CA", null,
            null),
        ("NA", "US", "NY", null), ("AS", "JP", null, "Tokyo"), ("AS", "SG", null, null), ("SA", "BR", "SP", null),
        ("AF", "ZA", null, null), ("OC", "AU", "NSW", "Sydney"), ("AN", "AQ", null, null),
    ];

    private readonly string folder = Directory.CreateTempSubdirectory("fairlead-gdnsd").FullName;
    private readonly Random random;
    private readonly Snapshot<DnsTable> table = new(DnsTable.Empty);
    private DnsServer? server;

    public GdnsdBed(string prefix, int seed)
    {
        random = new Random(seed);
        Bed = new Bed(prefix);
        Bed.AddHost("srv");
        Bed.Ip("srv", "route", "add", "local", "0.0.0.0/0", "dev", "lo");
        Bed.Ip("srv", "-6", "route", "add", "local", "::/0", "dev", "lo");
        Bed.AddAddress("srv", "lo", $"{Server6}/128");
        NetworkNamespace.Run(Bed.NamespaceOf("srv"), () =>
        {
            // For IPv6 a local route is not enough to bind to an address.
            File.WriteAllText("/proc/sys/net/ipv6/ip_nonlocal_bind", "1");
            return 0;
        });
    }

    public static IPAddress Server4 { get; } = IPAddress.Parse("198.18.0.53");

    public static IPAddress Server6 { get; } = IPAddress.Parse("2001:db8:53::53");

    public Bed Bed { get; }

    public DnsTable Table => table.Current;

    /// <summary>Every prefix that a map or the database knows.</summary>
    public List<Prefix> Known { get; } = [];

    public IReadOnlyList<SpecProblem> NotTaken { get; private set; } = [];

    /// <summary>Starts both; spoil may change the imported fleet file.</summary>
    public void Start(Func<string, string>? spoil = null)
    {
        string from = Path.Combine(folder, "gdnsd"), into = Path.Combine(folder, "fairlead");
        foreach (string one in (string[])["zones", "geoip", "run",
            "state"]) Directory.CreateDirectory(Path.Combine(from, one));
        File.WriteAllBytes(Path.Combine(from, "geoip/City.mmdb"), Database());
        File.WriteAllText(Path.Combine(from, "geoip/nets"), Nets());
        File.WriteAllText(Path.Combine(from, "config"), Config(from));
        File.WriteAllText(Path.Combine(from, "zones/example.com"), """
            @    3600 SOA ns1 hostmaster 1 7200 1800 259200 900
            @    3600 NS  ns1
            ns1  3600 A   192.0.2.1
            tree 300/30 DYNA geoip!tree
            auto 300/30 DYNA geoip!auto
            next 300/30 DYNA geoip!next
            cdn  300/30 DYNC geoip!cdn

            """);
        Bed.Start("srv", Path.Combine(folder, "gdnsd.log"), "gdnsd", "-c", from, "start");

        ImportedFleet imported = GdnsdImport.Read(from);
        imported.Write(into);
        NotTaken = imported.NotTaken;
        string file = Path.Combine(into, "fleet.yaml");
        if (spoil is not null) File.WriteAllText(file, spoil(File.ReadAllText(file)));
        LoadedFleet? fleet = LoadedFleet.Read(file, out IReadOnlyList<SpecProblem> problems);
        Assert.True(fleet is not null, string.Join('\n', problems));
        table.Publish(DnsTable.Create(
            1, fleet.Zones, RegionMap.Empty, Steering.Of(fleet.Spec, AllUp(fleet.Spec), fleet.Views), "node1"));
        server = new DnsServer(
            new DnsServerOptions
            {
                Listen = [new(Server4, OurPort), new(Server6, OurPort)],
                RateLimit = new RateLimitOptions { AnswersPerSecond = 0, NxDomainsPerSecond = 0, ErrorsPerSecond = 0 },
            },
            table);
        NetworkNamespace.Run(Bed.NamespaceOf("srv"), () =>
        {
            server.Start();
            return 0;
        });
    }

    public async Task UntilGdnsdServesAsync()
    {
        for (int i = 0; i < 100; i++)
        {
            bool serves = NetworkNamespace.Run(
                Bed.NamespaceOf("srv"), () => Ask(GdnsdPort, DnsTestBed.Query("example.com", RecordType.Soa), null,
                    200) is not null);
            if (serves) return;
            await Task.Delay(100);
        }

        Assert.Fail(File.ReadAllText(Path.Combine(folder, "gdnsd.log")));
    }

    /// <summary>One question over a socket of its own; call it inside the namespace. Null: no answer in time.</summary>
    public static Reply? Ask(int port, byte[] query, IPAddress? client, int withinMilliseconds = 3000)
    {
        bool six = client?.AddressFamily == AddressFamily.InterNetworkV6;
        using var socket = new Socket(
            six ? AddressFamily.InterNetworkV6 : AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        socket.ReceiveTimeout = withinMilliseconds;
        if (client is not null) socket.Bind(new IPEndPoint(client, 0));
        byte[] answer = new byte[4096];
        try
        {
            socket.Connect(new IPEndPoint(six ? Server6 : Server4, port));
            socket.Send(query);
            return new Reply(answer[..socket.Receive(answer)]);
        }
        catch (SocketException)
        {
            return null;
        }
    }

    /// <summary>Anywhere, or somewhere inside what the maps know.</summary>
    public IPAddress RandomClient(bool six)
    {
        Prefix around = random.Next(4) == 0 ? (six ? Prefix.Parse("2a00::/12") : Prefix.Parse("16.0.0.0/4"))
            : Known[random.Next(Known.Count)];
        while (around.IsIPv4 == six) around = Known[random.Next(Known.Count)];
        return RandomIn(around, random);
    }

    public static IPAddress RandomIn(Prefix prefix, Random random)
    {
        byte[] bytes = prefix.Address.GetAddressBytes();
        for (int bit = prefix.Length; bit < bytes.Length * 8; bit++)
        {
            if (random.Next(2) == 1) bytes[bit / 8] |= (byte)(0x80 >> (bit % 8));
        }

        return new IPAddress(bytes);
    }

    public async ValueTask DisposeAsync()
    {
        if (server is not null) await server.DisposeAsync();
        Bed.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    private static Plan AllUp(FleetSpec fleet) => new()
    {
        Pops = [.. fleet.Pops.Select(pop => new PopPlan(pop.Name, PopState.Up, "", true, AggregateStance.Announce,
            true, false))],
        Services =
        [
            .. fleet.Services.Select(service => new ServicePlan(
                service.Name, [.. service.Backends.Keys], [.. service.Backends.Keys], false, false, service.Backends)),
        ],
    };

    private byte[] Database()
    {
        var places = new List<(string, Place)>();
        for (int i = 0; i < 4000; i++)
        {
            (string continent, string country, string? part, string? city) = Kinds[random.Next(Kinds.Length)];
            Prefix prefix = RandomPrefix(six: i % 2 == 1);
            places.Add((prefix.ToString(), new Place(
                continent, country, (random.NextDouble() * 160) - 80, (random.NextDouble() * 358) - 179)
            {
                Subdivision = part,
                City = city,
            }));
        }

        return MmdbWriter.Write(places.DistinctBy(place => place.Item1), 28, 6, type: "GeoIP2-City");
    }

    private string Nets()
    {
        var nets = new OrderedDictionary<Prefix, (int First, int Second)>();
        for (int i = 0; i < 200; i++)
        {
            Prefix prefix = RandomPrefix(six: i % 2 == 1);
            (int First, int Second) list = (1 + random.Next(5), 1 + random.Next(5));
            // gdnsd merges two halves with one list, and forgets the list of the whole if that has an entry of its own;
            // the import names such entries.
            if (nets.TryGetValue(SiblingOf(prefix), out (int, int) other) && other == list)
                list.First = 1 + (list.First % 5);
            nets.TryAdd(prefix, list);
        }

        return string.Concat(nets.Select(net => $"{net.Key} => [dc{net.Value.First}, dc{net.Value.Second}]\n"));
    }

    private static Prefix SiblingOf(Prefix prefix) =>
        Prefix.OfMapped(prefix.Bits ^ (UInt128.One << (128 - prefix.LengthMapped)), prefix.LengthMapped);

    private Prefix RandomPrefix(bool six)
    {
        // 6to4, Teredo and the like are IPv4 to gdnsd; they are not meant here.
        IPAddress at = RandomIn(Prefix.Parse(six ? "2a00::/12" : "16.0.0.0/4"), random);
        int length = six ? random.Next(16, 49) : random.Next(8, 25);
        UInt128 bits = Prefix.BitsOf(at);
        int mapped = six ? length : length + 96;
        Prefix prefix = Prefix.OfMapped(bits & (UInt128.MaxValue << (128 - mapped)), mapped);
        Known.Add(prefix);
        return prefix;
    }

    private static string Config(string folder)
    {
        string Backends(string name) => string.Join(' ', Enumerable.Range(1, 5).Select(i =>
            $"dc{i} => {{ addrs_v4 => [ 192.0.2.{i}, 192.0.2.1{i} ], addrs_v6 => [ 2001:db8::{i} ] }}"))
            + $" # {name}\n";
        string cnames = string.Join(' ', Enumerable.Range(1, 5).Select(i => $"dc{i} => dc{i}.cdn.example.net."));
        return $$"""
            options => {
              listen => [ "{{Server4}}", "{{Server6}}" ], dns_port => {{GdnsdPort}}
              run_dir => {{folder}}/run, state_dir => {{folder}}/state
            }
            plugins => { geoip => {
              maps => {
                tree => {
                  geoip2_db => City.mmdb, datacenters => [dc1, dc2, dc3, dc4, dc5], nets => nets
                  map => {
                    EU => { default => [dc1, dc2], FR => { default => [dc2, dc1], Paris => [dc3] }, GB => [dc4, dc1] }
                    NA => { US => { default => [dc5], TX => { default => [dc4, dc5], Dallas => [dc1] }, CA => [dc3] } }
                    AS => [dc3, dc2], SA => { BR => { SP => [dc2] } }, OC => { AU => { Sydney => [dc4] } }
                  }
                }
                auto => {
                  geoip2_db => City.mmdb, datacenters => [dc5, dc4, dc3, dc2, dc1]
                  auto_dc_coords => {
                    dc1 => [38.9, -77], dc2 => [50.1, 8.7], dc3 => [1.3, 103.9], dc4 => [-33.8, 151.2], dc5 => [-23.5,
                        -46.6]
                  }
                  map => { AF => [dc2, dc1], NA => { US => { CA => [dc3], default => auto } } }
                }
              }
              resources => {
                tree => { map => tree, dcmap => { {{Backends("tree")}} } }
                auto => { map => auto, dcmap => { {{Backends("auto")}} } }
                next => { map => tree, skip_first => true, dcmap => { {{Backends("next")}} } }
                cdn => { map => auto, dcmap => { {{cnames}} } }
              }
            } }
            """;
    }
}
