using Fairlead.Fleet.Routers;
using Fairlead.Fleet.Spec;
using Fairlead.Tests.Lab;

namespace Fairlead.Tests.Fleet;

/// <summary>
/// Routers that no test here can run: their text is held to files, so that no change of it goes by unread.
/// FAIRLEAD_WRITE=1 writes them anew.
/// </summary>
public class RouterConfigTests
{
    [Theory]
    [InlineData("junos")]
    [InlineData("eos")]
    [InlineData("iosxr")]
    public void No_text_changes_without_its_file(string language)
    {
        string path = Path.Combine(Fixture.Repository, "tests", "fixtures", "routers", $"nyc-edge.{language}");
        string text = Write(language, ThreeCities.Fleet, "nyc", "nyc-edge");
        string[] lines = File.Exists(path) ? File.ReadAllLines(path) : ["# Origin: said here by hand."];
        string[] origin = [.. lines.TakeWhile(line => line.StartsWith("# Origin", StringComparison.Ordinal))];
        if (Environment.GetEnvironmentVariable("FAIRLEAD_WRITE") == "1")
            File.WriteAllText(path, string.Join('\n', origin) + '\n' + text);

        Assert.Equal(string.Join('\n', File.ReadAllLines(path).Skip(origin.Length)) + '\n', text);
    }

    [Theory]
    [InlineData("bird")]
    [InlineData("frr")]
    [InlineData("junos")]
    [InlineData("eos")]
    [InlineData("iosxr")]
    public void Every_session_of_the_router_is_there(string language)
    {
        string text = Write(language, ThreeCities.Fleet, "nyc", "nyc-edge");
        foreach (string address in new[]
        {
            "198.51.100.2", "198.51.100.3", "2001:db8:1::11", "2001:db8:1::12", // Its nodes.
            "198.51.100.129", "198.51.100.133", "2001:db8:ffff::1", // The other pops' routers.
            "198.51.100.135", "198.51.100.141", "2001:db8:ffff:3::1", // Its upstreams.
        })
            Assert.Contains(address, text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("bird")]
    [InlineData("frr")]
    [InlineData("junos")]
    [InlineData("eos")]
    [InlineData("iosxr")]
    public void A_family_without_anycast_addresses_is_not_there_and_an_own_as_adds_the_origin(string language)
    {
        Assert.DoesNotContain("::", Write(language, Variants.IPv4Only, "one", "r1"), StringComparison.Ordinal);
        string own = Write(language, Variants.OwnAs, "one", "r1");
        Assert.DoesNotContain("192.0.", own, StringComparison.Ordinal);
        Assert.Matches("prepend[^\n]*64500", own);
    }

    [Fact]
    public void What_OpenBGPD_cannot_do_is_refused_with_the_way_out()
    {
        ArgumentException ebgp = Assert.Throws<ArgumentException>(
            () => Write("openbgpd", ThreeCities.Fleet, "nyc", "nyc-edge"));
        Assert.Contains("let the nodes speak iBGP", ebgp.Message, StringComparison.Ordinal);
        string internalNodes = Write("openbgpd", Variants.IPv4Only, "one", "r1");
        Assert.Contains("neighbor 10.0.0.2", internalNodes, StringComparison.Ordinal);
    }

    [Fact]
    public void A_password_that_would_break_the_file_is_refused_in_every_language()
    {
        FleetSpec fleet = Variants.IPv4Only with
        {
            Pops =
            [
                .. Variants.IPv4Only.Pops.Select(pop => pop with
                {
                    Routers = [.. pop.Routers.Select(router => router with { Password = "two words" })],
                }),
            ],
        };
        foreach ((string language, _, _) in RouterConfig.Languages)
            Assert.Throws<ArgumentException>(() => Write(language, fleet, "one", "r1"));
    }

    private static string Write(string language, FleetSpec fleet, string pop, string router) =>
        RouterConfig.Languages.Single(one => one.Name == language).Write(fleet, pop, router);
}
