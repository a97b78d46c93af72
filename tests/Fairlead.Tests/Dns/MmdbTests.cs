using System.Net;
using Fairlead.Dns.Steering;
using Fairlead.Net.Addresses;

namespace Fairlead.Tests.Dns;

public class MmdbTests
{
    private static readonly (string Prefix, Place Place)[] Sample =
    [
        ("1.0.0.0/8", new Place("OC", "AU", -33.5, 151.25)), ("192.0.2.0/24", new Place("EU", "DE", 52.5, 13.5)),
        ("192.0.2.128/25", new Place("EU", "FR", null, null)), ("203.0.113.7/32", new Place(null, "JP", 35.5, 139.75)),
    ];

    private static readonly (string Prefix, Place Place)[] Sample6 =
        [.. Sample, ("2001:db8::/32", new Place("NA", "US", 40.5, -74)),
            ("2a00::/12", new Place("EU", "GB", 51.5, -0.25))];

    private static readonly byte[][] Whole =
    [
        MmdbWriter.Write(Sample6, 24, 6), MmdbWriter.Write(Sample6, 28, 6, "2002::/16"),
            MmdbWriter.Write(Sample6, 32, 6),
    ];

    [Theory]
    [InlineData(24, 4)]
    [InlineData(28, 4)]
    [InlineData(32, 4)]
    [InlineData(24, 6)]
    [InlineData(28, 6)]
    [InlineData(32, 6)]
    public void A_database_is_read_as_it_was_written(int recordBits, int version)
    {
        MmdbDatabase? database = MmdbDatabase.Open(
            MmdbWriter.Write(version == 4 ? Sample : Sample6, recordBits, version), out string? problem);

        Assert.Null(problem);
        Assert.Equal("AU", database!.Find(IPAddress.Parse("1.2.3.4"))!.Country);
        Assert.Equal(new Place("EU", "DE", 52.5, 13.5), database.Find(IPAddress.Parse("192.0.2.1")));
        Assert.Equal("FR", database.Find(IPAddress.Parse("192.0.2.200"))!.Country);
        Assert.Equal(47, database.Find(IPAddress.Parse("192.0.2.200"))!.Latitude); // the middle of the country
        Assert.Equal("AS", database.Find(IPAddress.Parse("203.0.113.7"))!.Continent);
        Assert.Null(database.Find(IPAddress.Parse("203.0.113.8")));
        Assert.Equal(version == 6 ? "US" : null, database.Find(IPAddress.Parse("2001:db8::1"))?.Country);

        List<(Prefix Prefix, Place Place)> places = [.. database.Places()];
        Assert.Contains((Prefix.Parse("192.0.2.0/25"), new Place("EU", "DE", 52.5, 13.5)), places);
        Assert.Contains(places, entry => entry.Prefix == Prefix.Parse("203.0.113.7/32"));
        Assert.Equal(version == 6 ? 6 : 4, places.Count);
        Assert.All(places, entry => Assert.Equal(entry.Place, database.Find(entry.Prefix.Address)));
    }

    [Fact]
    public void Aliases_of_the_ipv4_tree_are_looked_up_but_not_listed()
    {
        MmdbDatabase? database =
            MmdbDatabase.Open(MmdbWriter.Write(Sample6, 28, 6, aliasAt: "::ffff:0:0/96"), out string? problem);
        Assert.Null(problem);
        Assert.Equal(6, database!.Places().Count());
    }

    [Fact]
    public void A_map_that_is_shared_by_a_pointer_counts_where_the_pointer_stands()
    {
        byte[] file = MmdbWriter.Write(
            [
                ("192.0.2.0/25", new Place("EU", "DE", 52.5, 13.5)),
                ("192.0.2.128/25", new Place("EU", "DE", 48.5, 11.5)),
            ],
            24, 4);
        MmdbDatabase? database = MmdbDatabase.Open(file, out string? problem);
        Assert.Null(problem);
        Assert.Equal("DE", database!.Find(IPAddress.Parse("192.0.2.1"))!.Country);
        Assert.Equal("DE", database.Find(IPAddress.Parse("192.0.2.200"))!.Country);
    }

    [Fact]
    public void A_flat_country_database_is_read()
    {
        MmdbDatabase? database = MmdbDatabase.Open(MmdbWriter.Write(Sample, 24, 4, flat: true), out _);
        Assert.Equal(new Place("EU", "DE", 51, 10), database!.Find(IPAddress.Parse("192.0.2.1")));
    }

    [Fact]
    public void A_cut_file_is_a_problem()
    {
        byte[] whole = MmdbWriter.Write(Sample6, 28, 6);
        for (int i = 0; i < 200; i++)
        {
            Assert.Null(MmdbDatabase.Open(whole.AsMemory(0, whole.Length * i / 200), out string? problem));
            Assert.NotNull(problem);
        }
    }

    [Fact]
    public void A_damaged_file_is_a_problem_or_still_a_database() => Property.Holds(3000, random =>
    {
        byte[] damaged = [.. Whole[random.Next(Whole.Length)]];
        for (int changes = random.Next(1, 8); changes > 0; changes--) damaged[random.Next(damaged.Length)] =
            (byte)random.Next(256);
        MmdbDatabase? database = MmdbDatabase.Open(damaged, out string? problem);
        Assert.Equal(database is null, problem is not null);
        if (database is null) return;
        Assert.True(database.Places().Count() < 10_000);
        _ = database.Find(IPAddress.Parse("192.0.2.1"));
        byte[] address = new byte[16];
        random.NextBytes(address);
        _ = database.Find(new IPAddress(address));
    });

    [Fact]
    public void Every_country_has_a_middle()
    {
        // ISO 3166-1 has 249 codes; XK is the one in use beside them.
        Assert.Equal(250, CountryCentroids.Countries.Count);
        foreach (string country in CountryCentroids.Countries)
        {
            Assert.True(CountryCentroids.TryFind(country, out CountryCentroid centroid));
            Assert.Contains(centroid.Continent, "AF AN AS EU NA OC SA".Split(' '));
            Assert.InRange(centroid.Latitude, -90, 90);
            Assert.InRange(centroid.Longitude, -180, 180);
        }
    }

    [Fact]
    public void A_cidr_map_is_read_with_its_faults()
    {
        var (places, problems) = CidrMap.Read("nets.csv", """
            prefix,continent,country,latitude,longitude
            # ours
            192.0.2.0/24,EU,de,52.5,13.4
            2001:db8::/32,,US # all
            198.51.100.0/24,,,1,2
            192.0.2.1/24,EU
            10.0.0.0/8,XX
            10.0.0.0/8, EU, DEU
            10.0.0.0/8,EU,DE,91,0
            10.0.0.0/8,EU,DE,9
            10.0.0.0/8,EU,DE,9,9,9
            """);
        Assert.Equal(
            [
                (Prefix.Parse("192.0.2.0/24"), new Place("EU", "DE", 52.5, 13.4)),
                    (Prefix.Parse("2001:db8::/32"), new Place("NA", "US", 39, -92)),
                (Prefix.Parse("198.51.100.0/24"), new Place(null, null, 1, 2)),
            ],
            places);
        Assert.Equal(["6:1", "7:12", "8:17", "9:18", "10:18", "11:22"],
            problems.Select(problem => $"{problem.Line}:{problem.Column}"));
    }
}
