using Fairlead.Api;
using Fairlead.Cli;

namespace Fairlead.Tests.Cli;

public class DnsZonesTests
{
    [Fact]
    public void The_list_is_a_line_a_zone_in_columns()
    {
        DateTimeOffset now = DateTimeOffset.FromUnixTimeSeconds(1_800_000_000);
        ZoneView plain = new()
        {
            Zone = "example.com.",
            Kind = "primary",
            Steered = true,
            Signed = true,
            Serial = 2026112903,
            Records = 7,
            CheckedAt = null,
            Problem = null,
        };
        ZoneView taken = plain with { Zone = "example.net.", Kind = "secondary", Steered = false, Serial = 41 };
        Assert.Equal("""
            zone          kind                    serial      records  checked     problem
            example.com.  primary steered signed  2026112903  7        -           -
            example.net.  secondary signed        41          7        12 s ago    -
            example.net.  secondary signed        41          7        3 min ago   -
            example.net.  secondary signed        41          7        26 h ago    -
            example.net.  secondary signed        41          7        9 days ago  -
            example.org.  secondary               none        0        never       no answer in time

            """, DnsZonesCommand.Show(new ZoneList(
            [
                plain,
                taken with { CheckedAt = now.AddSeconds(-12) },
                taken with { CheckedAt = now.AddMinutes(-3) },
                taken with { CheckedAt = now.AddHours(-26) },
                taken with { CheckedAt = now.AddDays(-9) },
                taken with
                {
                    Zone = "example.org.", Signed = false, Serial = null, Records = 0, Problem = "no answer in time",
                },
            ]), now));
    }
}
