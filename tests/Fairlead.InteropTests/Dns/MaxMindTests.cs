using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Fairlead.Dns.Steering;
using Fairlead.Lab;
using Fairlead.Net.Addresses;
using Xunit.Abstractions;

namespace Fairlead.InteropTests.Dns;

/// <summary>
/// MaxMind's test files (t/maxmind-db in the source of libmaxminddb, which ./test fetches): what is right is read as
/// mmdblookup reads it, what is wrong is refused, and nothing throws.
/// </summary>
public class MaxMindTests(ITestOutputHelper output)
{
    private static readonly string Folder = Path.Combine(Fixture.Repository, "artifacts/libmaxminddb/t/maxmind-db");

    private const string AsnKey = "autonomous_system_number";

    /// <summary>Files of test-data that are wrong on purpose, each with what is wrong.</summary>
    private static readonly Dictionary<string, string> Wrong = new(StringComparer.Ordinal)
    {
        ["GeoIP2-City-Test-Broken-Double-Format.mmdb"] = "a double of other than 8 bytes",
        ["GeoIP2-City-Test-Invalid-Node-Count.mmdb"] = "more nodes than the file has",
        ["MaxMind-DB-test-broken-pointers-24.mmdb"] = "pointers out of the data",
        ["MaxMind-DB-test-broken-search-tree-24.mmdb"] = "a record beyond the data",
    };

    [InteropFact("mmdblookup", "artifacts/libmaxminddb/t/maxmind-db")]
    public void Files_that_are_right_are_read_as_mmdblookup_reads_them()
    {
        var random = new Random(1);
        (int files, int asked, int known) = (0, 0, 0);
        foreach (string path in Directory.GetFiles(Path.Combine(Folder, "test-data"), "*.mmdb").Order())
        {
            string name = Path.GetFileName(path);
            if (Wrong.ContainsKey(name)) continue;
            MmdbDatabase? database = MmdbDatabase.Open(File.ReadAllBytes(path), out string? problem);
            Assert.True(database is not null, $"{name}: {problem}");
            files++;
            (Prefix Prefix, Place Place)[] places = [.. database.Places()];
            Assert.All(places, place => Assert.Equal(place.Place, database.Find(place.Prefix.Address)));
            IPAddress[] addresses =
            [
                .. places.OrderBy(_ => random.Next()).Take(12).Select(place => GdnsdBed.RandomIn(place.Prefix, random)),
                .. Enumerable.Range(0, 3).Select(_ => GdnsdBed.RandomIn(Prefix.Parse("1.1.1.0/26"), random)),
                GdnsdBed.RandomIn(Prefix.Parse("2001::/16"), random),
            ];
            bool six = !name.Contains("ipv4", StringComparison.Ordinal);
            foreach (IPAddress address in addresses)
            {
                if (!six && address.AddressFamily == AddressFamily.InterNetworkV6) continue;
                Place? ours = database.Find(address);
                asked++;
                if (ours is not null) known++;
                string said = $"{name} {address} {Theirs(path, address, "country", "iso_code")} "
                    + $"{Theirs(path, address, "city", "names", "en")} "
                    + (Theirs(path, address, AsnKey) ?? Theirs(path, address, "traits", AsnKey));
                Assert.Equal(said, $"{name} {address} {ours?.Country} {ours?.City} {ours?.Asn?.Value}");
                if (Theirs(path, address, "location", "latitude") is { } latitude)
                    Assert.Equal(double.Parse(latitude, CultureInfo.InvariantCulture), ours!.Latitude!.Value, 5);
            }
        }

        output.WriteLine($"{files} files, {asked} addresses, {known} known");
        Assert.InRange(files, 20, int.MaxValue);
        Assert.InRange(known, 30, int.MaxValue);
    }

    [InteropFact("mmdblookup", "artifacts/libmaxminddb/t/maxmind-db")]
    public void Files_that_are_wrong_are_refused_and_nothing_throws()
    {
        string[] all =
        [
            .. Directory.GetFiles(Path.Combine(Folder, "bad-data"), "*.mmdb", SearchOption.AllDirectories),
            .. Wrong.Keys.Select(name => Path.Combine(Folder, "test-data", name)),
        ];
        Assert.InRange(all.Length, 12, int.MaxValue);
        foreach (string path in all.Order())
        {
            byte[] file = File.ReadAllBytes(path);
            MmdbDatabase? database = MmdbDatabase.Open(file, out string? problem);
            output.WriteLine($"{Path.GetFileName(path)}: {problem}");
            Assert.Equal(database is null, problem is not null);
            Assert.True(database is null, path);
        }
    }

    [InteropFact("mmdblookup", "artifacts/libmaxminddb/t/maxmind-db")]
    public void Cut_and_changed_files_never_throw()
    {
        var random = new Random(2);
        foreach (string path in Directory.GetFiles(Folder, "*.mmdb", SearchOption.AllDirectories))
        {
            byte[] file = File.ReadAllBytes(path);
            for (int i = 0; i < 40; i++)
            {
                byte[] changed = i % 2 == 0 ? file[..random.Next(file.Length)] : [.. file];
                if (changed.Length == 0) continue;
                changed[random.Next(changed.Length)] = (byte)random.Next(256);
                MmdbDatabase? database = MmdbDatabase.Open(changed, out string? problem);
                Assert.Equal(database is null, problem is not null);
                if (database is not null) _ = database.Places().Take(1000).Count();
            }
        }
    }

    private static string? Theirs(string path, IPAddress address, params string[] way)
    {
        (int exit, string said, _) = Command.Try(
            "mmdblookup", TimeSpan.FromSeconds(5), null, ["--file", path, "--ip", $"{address}", .. way]);
        if (exit != 0) return null;
        string value = said.Trim();
        return value.Contains('<') ? value[..value.LastIndexOf('<')].Trim().Trim('"') : null;
    }
}
