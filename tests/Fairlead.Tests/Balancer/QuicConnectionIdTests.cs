using System.Net;
using Fairlead.Balancer;

namespace Fairlead.Tests.Balancer;

/// <summary>Connection ids as draft-ietf-quic-load-balancers-21 has them.</summary>
public class QuicConnectionIdTests
{
    private const string DraftsKey = "8f95f09245765f80256934e50c66207f";

    /// <summary>
    /// The draft's appendix B, and the example of its §5.4.2.4. The second is printed there without the zeros that
    /// begin its length and its nonce; the last one's first byte says configuration 0, whatever its row says.
    /// </summary>
    public static readonly TheoryData<int, string, string, string, string> Vectors = new()
    {
        { 0, "c4605e", "4504cc4f", "", "07c4605e4504cc4f" },
        { 1, "350d28b420", "03487d970b", "", "2a350d28b42003487d970b" },
        { 0, "ed793a", "ee080dbf", DraftsKey, "0720b1d07b359d3c" },
        { 1, "ed793a51d49b8f5fab65", "ee080dbf48", DraftsKey, "2fcc381bc74cb4fbad2823a3d1f8fed2" },
        { 2, "ed793a51d49b8f5f", "ee080dbf48c0d1e5", DraftsKey, "504dd2d05a7b0de9b2b9907afb5ecf8cc3" },
        { 0, "ed793a51d49b8f5fab", "ee080dbf48c0d1e55d", DraftsKey, "125779c9cc86beb3a3a4a3ca96fce4bfe0cdbc" },
        { 0, "31441a", "9c69c275", "fdf726a9893ec05c0632d3956680baf0", "0767947d29be054a" },
    };

    [Theory]
    [MemberData(nameof(Vectors))]
    public void The_drafts_ids_are_written_and_read(int number, string server, string nonce, string key, string id)
    {
        QuicConfig config = Config(number, nonce.Length / 2, key, server);
        byte[] made = QuicConnectionId.Write(config, Convert.FromHexString(server), Convert.FromHexString(nonce));
        Assert.Equal(id, Convert.ToHexStringLower(made));
        Assert.Equal(server, Convert.ToHexStringLower(QuicConnectionId.ReadServerId(config, made)!));
        Assert.Null(QuicConnectionId.ReadServerId(config, made.AsSpan(0, made.Length - 1)));
    }

    [Fact]
    public void Ids_of_every_length_are_read_back() => Property.Holds(3_000, random =>
    {
        byte[] server = new byte[random.Next(1, 16)], key = new byte[16];
        byte[] nonce = new byte[random.Next(4, 20 - server.Length)];
        random.NextBytes(server);
        random.NextBytes(nonce);
        random.NextBytes(key);
        QuicConfig config = Config(
            random.Next(7), nonce.Length, Convert.ToHexString(key), Convert.ToHexStringLower(server));
        byte[] id = QuicConnectionId.Write(config, server, nonce);
        Assert.Equal(server, QuicConnectionId.ReadServerId(config, id));
        var service = new ServiceEntry { Name = "s", Vips = [], Backends = [], Quic = [config] };
        Assert.Equal("10.0.0.1", $"{QuicConnectionId.BackendOf(service, [0x40, .. id, .. new byte[20]])}");
        byte[] longHeader = [0xc0, 0, 0, 0, 1, (byte)id.Length, .. id, .. new byte[20]];
        Assert.Equal("10.0.0.1", $"{QuicConnectionId.BackendOf(service, longHeader)}");
        longHeader[5]--;
        Assert.Null(QuicConnectionId.BackendOf(service, longHeader));
    });

    [Fact]
    public void All_that_is_wrong_with_configurations_is_told_at_its_place_and_no_key_is()
    {
        QuicConfig good = Config(0, 4, DraftsKey, "ed793a");
        Assert.Empty(QuicConfig.Problems([good, good with { Config = 6, Key = "" }]));
        // A server has one id in both families.
        Assert.Empty(QuicConfig.Problems([good with { Ids = [.. good.Ids, new("ed793a", IPAddress.IPv6Loopback)] }]));
        var problems = QuicConfig.Problems(
        [
            good with { Config = 7, NonceBytes = 3, Key = DraftsKey[1..] }, good, good with { Ids = [] },
            Config(1, 4, "", "ed793a", "ed79", "ED793A", "ed793"), Config(2, 16, DraftsKey, "ed793a51"),
        ]).Select(problem => $"{problem.Path}: {problem.Message}").ToArray();
        Assert.Equal(
            [
                "[0].config: configuration 7: there are 0 to 6",
                "[0].nonce: a nonce has 4 bytes at least, not 3",
                "[0].key: a key is 32 hex digits: openssl rand -hex 16",
                "[2].config: configuration 0 stands here twice",
                "[2].ids: expected the server id of at least one backend",
                "[3].ids.10.0.0.2: server ids ed793a and ed79 differ in length: one configuration has one",
                "[3].ids.10.0.0.3: server id ED793A is that of 10.0.0.1 already",
                "[3].ids.10.0.0.4: \"ed793\" is no server id: it takes whole bytes in hex",
                "[4].ids: server ids of 4 bytes and a nonce of 16 are more than the 19 that a connection id has room "
                    + "for behind its first byte",
            ],
            problems);
        Assert.DoesNotContain(DraftsKey, $"{good} {new BackendEntry(IPAddress.Any)}", StringComparison.Ordinal);
    }

    private static QuicConfig Config(int number, int nonceBytes, string key, params string[] servers) => new()
    {
        Config = number,
        NonceBytes = nonceBytes,
        Key = key,
        Ids = [.. servers.Select((id, i) => new QuicServerId(id, new IPAddress([10, 0, 0, (byte)(i + 1)])))],
    };
}
