using System.Collections.Frozen;
using System.Globalization;

namespace Fairlead.Dns.Steering;

/// <summary>Roughly the middle of a country, and its continent.</summary>
public readonly record struct CountryCentroid(string Continent, double Latitude, double Longitude);

/// <summary>
/// For databases that know the country only. Whole degrees are enough to choose among sites; of large countries the
/// middle of where people live is nearer to the truth than that of the land. XK is in use, though not assigned.
/// </summary>
public static class CountryCentroids
{
    private static readonly FrozenDictionary<string, CountryCentroid> Table = Parse(
        """
        AD EU 43 2,AE AS 24 54,AF AS 34 66,AG NA 17 -62,AI NA 18 -63,AL EU 41 20,AM AS 40 45,AO AF -12 18
        AQ AN -80 0,AR SA -34 -61,AS OC -14 -171,AT EU 48 15,AU OC -33 147,AW NA 13 -70,AX EU 60 20,AZ AS 40 48
        BA EU 44 18,BB NA 13 -60,BD AS 24 90,BE EU 51 5,BF AF 12 -2,BG EU 43 25,BH AS 26 51,BI AF -3 30
        BJ AF 9 2,BL NA 18 -63,BM NA 32 -65,BN AS 5 115,BO SA -17 -65,BQ NA 12 -68,BR SA -18 -47,BS NA 25 -77
        BT AS 27 90,BV AN -54 3,BW AF -23 25,BY EU 54 28,BZ NA 17 -88,CA NA 47 -83,CC AS -12 97,CD AF -4 22
        CF AF 6 20,CG AF -3 15,CH EU 47 8,CI AF 7 -5,CK OC -21 -160,CL SA -34 -71,CM AF 5 12,CN AS 33 113
        CO SA 5 -74,CR NA 10 -84,CU NA 22 -79,CV AF 15 -24,CW NA 12 -69,CX AS -10 106,CY AS 35 33,CZ EU 50 15
        DE EU 51 10,DJ AF 12 43,DK EU 56 10,DM NA 15 -61,DO NA 19 -70,DZ AF 35 3,EC SA -1 -79,EE EU 59 25
        EG AF 30 31,EH AF 25 -13,ER AF 15 39,ES EU 40 -4,ET AF 9 39,FI EU 61 25,FJ OC -18 178,FK SA -52 -59
        FM OC 7 158,FO EU 62 -7,FR EU 47 2,GA AF -1 11,GB EU 53 -1,GD NA 12 -62,GE AS 42 44,GF SA 4 -53
        GG EU 49 -3,GH AF 7 -1,GI EU 36 -5,GL NA 64 -51,GM AF 13 -16,GN AF 10 -11,GP NA 16 -62,GQ AF 2 10
        GR EU 39 23,GS AN -54 -37,GT NA 15 -91,GU OC 13 145,GW AF 12 -15,GY SA 6 -58,HK AS 22 114,HM AN -53 73
        HN NA 15 -87,HR EU 45 16,HT NA 19 -72,HU EU 47 19,ID AS -6 109,IE EU 53 -7,IL AS 32 35,IM EU 54 -5
        IN AS 22 79,IO AS -7 72,IQ AS 33 44,IR AS 34 52,IS EU 64 -21,IT EU 43 12,JE EU 49 -2,JM NA 18 -77
        JO AS 32 36,JP AS 36 138,KE AF -1 37,KG AS 42 74,KH AS 12 105,KI OC 1 173,KM AF -12 43,KN NA 17 -63
        KP AS 39 126,KR AS 37 127,KW AS 29 48,KY NA 19 -81,KZ AS 47 71,LA AS 18 103,LB AS 34 36,LC NA 14 -61
        LI EU 47 10,LK AS 7 80,LR AF 6 -10,LS AF -30 28,LT EU 55 24,LU EU 50 6,LV EU 57 25,LY AF 32 15
        MA AF 33 -7,MC EU 44 7,MD EU 47 29,ME EU 43 19,MF NA 18 -63,MG AF -19 47,MH OC 7 171,MK EU 42 22
        ML AF 13 -7,MM AS 19 96,MN AS 47 106,MO AS 22 114,MP OC 15 146,MQ NA 15 -61,MR AF 18 -15,MS NA 17 -62
        MT EU 36 14,MU AF -20 58,MV AS 4 73,MW AF -14 34,MX NA 20 -100,MY AS 4 103,MZ AF -19 35,NA AF -22 17
        NC OC -22 166,NE AF 14 6,NF OC -29 168,NG AF 8 7,NI NA 12 -86,NL EU 52 5,NO EU 60 10,NP AS 28 85
        NR OC -1 167,NU OC -19 -170,NZ OC -39 175,OM AS 23 58,PA NA 9 -80,PE SA -11 -76,PF OC -18 -149,PG OC -7 145
        PH AS 14 121,PK AS 31 72,PL EU 52 19,PM NA 47 -56,PN OC -25 -130,PR NA 18 -66,PS AS 32 35,PT EU 40 -8
        PW OC 7 134,PY SA -25 -57,QA AS 25 51,RE AF -21 56,RO EU 46 25,RS EU 44 21,RU EU 56 42,RW AF -2 30
        SA AS 24 45,SB OC -9 160,SC AF -5 55,SD AF 15 32,SE EU 59 16,SG AS 1 104,SH AF -16 -6,SI EU 46 15
        SJ EU 78 16,SK EU 49 19,SL AF 8 -12,SM EU 44 12,SN AF 15 -16,SO AF 4 45,SR SA 6 -55,SS AF 7 31
        ST AF 0 7,SV NA 14 -89,SX NA 18 -63,SY AS 35 37,SZ AF -27 31,TC NA 22 -72,TD AF 12 17,TF AN -49 69
        TG AF 8 1,TH AS 14 101,TJ AS 38 69,TK OC -9 -172,TL AS -9 126,TM AS 39 58,TN AF 36 10,TO OC -21 -175
        TR AS 39 33,TT NA 11 -61,TV OC -8 179,TW AS 24 121,TZ AF -6 36,UA EU 49 32,UG AF 1 32,UM OC 19 167
        US NA 39 -92,UY SA -34 -56,UZ AS 41 66,VA EU 42 12,VC NA 13 -61,VE SA 9 -68,VG NA 18 -65,VI NA 18 -65
        VN AS 16 107,VU OC -16 167,WF OC -14 -177,WS OC -14 -172,XK EU 43 21,YE AS 15 45,YT AF -13 45,ZA AF -28 27
        ZM AF -14 28,ZW AF -19 30
        """);

    /// <summary>All codes of the table.</summary>
    public static IReadOnlyList<string> Countries => Table.Keys;

    public static bool TryFind(string country, out CountryCentroid centroid) =>
        Table.TryGetValue(country, out centroid);

    private static FrozenDictionary<string, CountryCentroid> Parse(string table)
    {
        var entries = new Dictionary<string, CountryCentroid>();
        foreach (string entry in table.Split(
            [',', '\n'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            string[] words = entry.Split(' ');
            double Number(int word) => double.Parse(words[word], CultureInfo.InvariantCulture);
            entries.Add(words[0], new CountryCentroid(words[1], Number(2), Number(3)));
        }

        return entries.ToFrozenDictionary();
    }
}
